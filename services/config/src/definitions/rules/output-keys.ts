import type { Report } from '@batuta/documents';
import { textOf } from '../outline.js';
import type { Outline } from '../outline.js';

/**
 * `outputs.<key>` must be unambiguous. Fallbacks have no key of their own, and members of one group may share a key.
 */
export function reportOutputKeys(outline: Outline, report: Report): void {
  const owners = new Map<string, { owner: string; path: string }>();
  const claim = (key: string, owner: string, path: string): void => {
    const first = owners.get(key);
    if (first === undefined) {
      owners.set(key, { owner, path });
    } else if (first.owner !== owner) {
      report.add(path, 'duplicate_output_key', `"${key}" is already the output key of ${first.path}`);
    }
  };
  for (const step of outline.steps) {
    if (step.isFallback || step.outputKey === undefined) continue;
    const path = `/steps/${step.index}`;
    const member = step.group === undefined ? undefined : `members of ${step.group}`;
    claim(
      step.outputKey,
      member ?? path,
      textOf(step.source, 'output_key') === undefined ? path : `${path}/output_key`,
    );
  }
  for (const group of outline.groupOf.values()) {
    if (outline.stepOf.has(group.id)) continue;
    const path = group.index === undefined ? '/consensus_groups' : `/consensus_groups/${group.index}`;
    const key = textOf(group.source, 'output_key');
    claim(key ?? group.id, path + group.id, key === undefined ? path : `${path}/output_key`);
  }
}
