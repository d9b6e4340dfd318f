import { ROUTE_MODES } from '@batuta/contracts';
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
      if (isMode(modeOf(route))) reportWays(route, candidate, path, report);
    }
    const path = `/steps/${index}/route`;
    if (isMode(modeOf(route))) reportMode(route, path, report);
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

/** The schema reports any other. */
const isMode = (mode: string): boolean => (ROUTE_MODES as readonly string[]).includes(mode);
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
  for (const field of mode === 'hybrid' ? [] : ['when', 'keywords']) {
    if (candidate[field] === undefined) continue;
    report.add(`${path}/${field}`, 'contradiction', `has no effect in mode ${mode}: use mode hybrid`);
  }
}

/** Fields that only some modes use. */
const MODES_WITH: Readonly<Record<string, readonly string[]>> = {
  model: ['model', 'hybrid'],
  instructions: ['model', 'hybrid'],
  embedding_model: ['semantic', 'hybrid'],
  min_confidence: ['semantic', 'model', 'hybrid'],
};

function reportMode(route: Source, path: string, report: Report): void {
  const mode = modeOf(route);
  const needed = mode === 'semantic' ? 'embedding_model' : mode === 'model' ? 'model' : undefined;
  if (needed !== undefined && route[needed] === undefined) {
    report.add(`${path}/${needed}`, 'required', `mode ${mode} needs the name of a model`);
  }
  if (mode === 'hybrid' && route['model'] === undefined && route['embedding_model'] === undefined) {
    report.add(`${path}/model`, 'required', 'mode hybrid needs the name of a model, or embedding_model, or both');
  }
  for (const [field, modes] of Object.entries(MODES_WITH)) {
    if (route[field] === undefined || modes.includes(mode)) continue;
    report.add(`${path}/${field}`, 'contradiction', `has no effect in mode ${mode}`);
  }
}
