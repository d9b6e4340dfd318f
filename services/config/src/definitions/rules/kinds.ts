import { KIND_FIELDS, KIND_NAMES } from '@batuta/contracts';
import type { Report } from '@batuta/documents';
import type { Outline } from '../outline.js';

/** Checks that a step has one kind, and only fields of that kind. */
export function reportKinds(outline: Outline, report: Report): void {
  for (const { index, source } of outline.steps) {
    const path = `/steps/${index}`;
    const [first, ...more] = KIND_NAMES.filter((kind) => source[kind] !== undefined);
    const kind = first === undefined ? undefined : KIND_FIELDS[first];
    if (kind === undefined) continue;
    const others = [...(source['agent'] === undefined ? [] : ['agent' as const]), ...more];
    for (const other of others) {
      const called = other === 'agent' ? 'an agent' : KIND_FIELDS[other].called;
      report.add(`${path}/${other}`, 'contradiction', `a step has ${called} or ${kind.called}, not both`);
    }
    for (const [field, why] of Object.entries(kind.without)) {
      if (source[field] === undefined) continue;
      report.add(`${path}/${field}`, 'contradiction', `has no effect on a step with ${kind.called}: ${why}`);
    }
  }
}
