import { isRecord } from '@batuta/documents';
import type { Report } from '@batuta/documents';
import type { Outline } from '../outline.js';

/** Checks that the steps of a choice exist and wait for it. */
export function reportChoices(outline: Outline, report: Report): void {
  for (const { index, id, source } of outline.steps) {
    const { choice } = source;
    if (!isRecord(choice)) continue;
    const path = `/steps/${index}/choice`;
    const branches = Array.isArray(choice['branches']) ? (choice['branches'] as unknown[]) : [];
    const lists: [place: string, names: unknown][] = [
      ...branches.map((branch, place): [string, unknown] => [
        `${path}/branches/${place}/steps`,
        isRecord(branch) ? branch['steps'] : [],
      ]),
      [`${path}/default`, choice['default']],
    ];
    for (const [place, names] of lists) {
      for (const [at, name] of (Array.isArray(names) ? (names as unknown[]) : []).entries()) {
        if (typeof name === 'string') reportChosen({ outline, choice: id ?? '', name, path: `${place}/${at}` }, report);
      }
    }
  }
}

function reportChosen(use: { outline: Outline; choice: string; name: string; path: string }, report: Report): void {
  const { outline, choice, name, path } = use;
  const target = outline.stepOf.get(name);
  if (target === undefined) {
    const hint = report.suggestions.for(name, outline.stepOf.keys());
    report.add(path, 'unknown_step', `there is no step "${name}"${hint}`);
  } else if (target.isFallback) {
    report.add(path, 'contradiction', `"${name}" is a fallback: it runs when what it serves has failed`);
  } else if (target.group !== undefined) {
    report.add(path, 'contradiction', `"${name}" is in a consensus group, whose members run together`);
  } else if (!target.dependencies.some((dependency) => dependency.name === choice)) {
    report.add(path, 'contradiction', `"${name}" must have "${choice}" among its dependencies, to wait for the choice`);
  }
}
