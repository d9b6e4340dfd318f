import { approvalOf } from '../kinds/approval/rules.js';
import { rootOf, servedBy } from './fallbacks.js';
import type { UnitDraft } from './step-unit.js';

/**
 * Makes every step after an approval, directly or indirectly, wait for the approval itself. Otherwise a step between
 * them could be skipped, or copied by a fork that requests the approval again, and the later step would not wait. An
 * approval that is a fallback or a member counts for the node that it serves or votes for.
 */
export function waitForApprovals(units: readonly UnitDraft[], members: readonly (readonly number[])[]): void {
  const gates = new Set<number>();
  for (const unit of units) {
    const root = approvalOf(unit) === undefined ? -1 : rootOf(units, unit);
    const group = units[root]?.group ?? -1;
    if (root !== -1) {
      gates.add(group === -1 ? root : units.length + group);
    }
  }
  if (gates.size === 0) {
    return;
  }
  const after = new Map<number, number[]>();
  const comesAfter = (node: number, next: number): void => {
    const known = after.get(node);
    if (known === undefined) {
      after.set(node, [next]);
    } else {
      known.push(next);
    }
  };
  for (const unit of units) {
    for (const node of unit.waitsFor) {
      comesAfter(node, unit.index);
    }
  }
  for (const [group, ofGroup] of members.entries()) {
    for (const member of ofGroup) {
      comesAfter(member, units.length + group);
    }
  }
  const more = new Map<UnitDraft, number[]>();
  for (const gate of gates) {
    const seen = new Set([gate]);
    for (const node of seen) {
      for (const next of after.get(node) ?? []) {
        seen.add(next);
      }
    }
    for (const node of seen) {
      const unit = units[node];
      if (unit !== undefined && node !== gate && !unit.waitsFor.includes(gate) && !servedBy(units, unit).has(gate)) {
        more.set(unit, [...(more.get(unit) ?? []), gate]);
      }
    }
  }
  for (const [unit, gatesOfIt] of more) {
    unit.waitsFor = [...unit.waitsFor, ...gatesOfIt];
  }
}
