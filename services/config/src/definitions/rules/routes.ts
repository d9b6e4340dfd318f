import { isRecord } from '@batuta/documents';
import type { Report } from '@batuta/documents';
import { textOf } from '../outline.js';
import type { Outline } from '../outline.js';

type Source = Readonly<Record<string, unknown>>;

/** The candidates of a step's route, with their places in the config. */
export function candidatesOf(
  { route }: Source,
  index: number,
): { readonly path: string; readonly candidate: Source }[] {
  const listed = isRecord(route) && Array.isArray(route['candidates']) ? (route['candidates'] as unknown[]) : [];
  return listed.flatMap((candidate, place) =>
    isRecord(candidate) ? [{ path: `/steps/${index}/route/candidates/${place}`, candidate }] : [],
  );
}

/** What contradicts itself in a step that chooses among candidates. */
export function reportRoutes(outline: Outline, report: Report): void {
  for (const { index, source } of outline.steps) {
    const { route } = source;
    if (!isRecord(route)) continue;
    const candidates = candidatesOf(source, index);
    const names = candidates.map(({ candidate }) => textOf(candidate, 'name'));
    for (const [place, { path, candidate }] of candidates.entries()) {
      if (names[place] !== undefined && names.indexOf(names[place]) !== place) {
        report.add(`${path}/name`, 'duplicate_id', 'is the name of two candidates');
      }
      reportWorker(candidate, path, report);
      reportWays(route, candidate, path, report);
    }
    const path = `/steps/${index}/route`;
    reportMode(route, path, report);
    const fallback = textOf(route, 'fallback');
    if (fallback !== undefined && !names.includes(fallback)) {
      const hint = report.suggestions.for(
        fallback,
        names.filter((name) => name !== undefined),
      );
      report.add(`${path}/fallback`, 'unknown_candidate', `there is no candidate "${fallback}"${hint}`);
    }
  }
}

/** Who does the work of a candidate. */
function reportWorker(candidate: Source, path: string, report: Report): void {
  const { agent, config } = candidate;
  if (agent === undefined && config === undefined) {
    report.add(`${path}/agent`, 'required', 'agent is required, or config in its place');
  } else if (agent !== undefined && config !== undefined) {
    report.add(`${path}/config`, 'contradiction', 'a candidate is an agent or a config, not both');
  }
  if (config === undefined && candidate['config_version'] !== undefined) {
    report.add(`${path}/config_version`, 'contradiction', 'has no effect without config');
  }
  for (const field of config === undefined ? [] : ['timeout_ms', 'retry']) {
    if (candidate[field] === undefined) continue;
    report.add(`${path}/${field}`, 'contradiction', 'has no effect on a config: its own settings and steps say it');
  }
}

const modeOf = (route: Source): string => textOf(route, 'mode') ?? 'rules';

/** By what a candidate can be chosen. */
function reportWays(route: Source, candidate: Source, path: string, report: Report): void {
  const mode = modeOf(route);
  const ruled = candidate['when'] !== undefined || candidate['keywords'] !== undefined;
  const isFallback = textOf(candidate, 'name') !== undefined && candidate['name'] === route['fallback'];
  if (mode === 'rules') {
    if (!ruled && !isFallback) {
      report.add(`${path}/when`, 'required', 'in mode rules a candidate needs when or keywords, or to be the fallback');
    }
    if (candidate['examples'] !== undefined) {
      report.add(`${path}/examples`, 'contradiction', 'has no effect in mode rules: no model reads it');
    }
    return;
  }
  if (candidate['description'] === undefined) {
    report.add(`${path}/description`, 'required', `mode ${mode} needs it: the model is told what the candidate is for`);
  }
  for (const field of mode === 'model' ? ['when', 'keywords'] : []) {
    if (candidate[field] === undefined) continue;
    report.add(`${path}/${field}`, 'contradiction', 'has no effect in mode model: use mode hybrid');
  }
}

function reportMode(route: Source, path: string, report: Report): void {
  const mode = modeOf(route);
  if (mode !== 'rules' && route['model'] === undefined) {
    report.add(`${path}/model`, 'required', `mode ${mode} needs the name of a model`);
  }
  for (const field of mode === 'rules' ? ['model', 'instructions', 'min_confidence'] : []) {
    if (route[field] === undefined) continue;
    report.add(`${path}/${field}`, 'contradiction', 'has no effect in mode rules: no model is asked');
  }
}
