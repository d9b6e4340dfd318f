import type { StepDefinition } from '@batuta/contracts';
import type { Group } from './compiled.js';
import type { UnitDraft } from './step-unit.js';

/** Records for each fallback the node that it serves. Returns the fallbacks, also those that serve none. */
export function linkFallbacks(
  units: readonly UnitDraft[],
  steps: readonly StepDefinition[],
  nodes: ReadonlyMap<string, number>,
  positional: boolean,
): Set<number> {
  const fallbacks = new Set<number>();
  let lastMain = -1;
  for (const [index, step] of steps.entries()) {
    const unit = units[index] as UnitDraft;
    const target = step.fallback_for ? nodes.get(step.fallback_for) : undefined;
    if (target !== undefined && target !== index) {
      unit.fallbackFor = target;
      fallbacks.add(index);
    } else if (step.is_fallback) {
      // Without a name it serves the main step before it. Outside the fallback strategy it then serves none.
      unit.fallbackFor = positional ? lastMain : -1;
      fallbacks.add(index);
    } else {
      lastMain = index;
    }
  }
  return fallbacks;
}

/** The main node that a chain of fallbacks serves. -1 when the chain leads nowhere. */
export function rootOf(units: readonly UnitDraft[], unit: UnitDraft): number {
  let node = unit.index;
  for (let steps = 0; steps <= units.length; steps++) {
    const current = units[node];
    if (current === undefined || current.fallbackFor === -1) {
      return node;
    }
    node = current.fallbackFor;
  }
  return -1;
}

/** A fallback may name the node that it serves as a dependency, but does not wait for it. */
export function servedBy(units: readonly UnitDraft[], unit: UnitDraft): Set<number> {
  const served = new Set<number>();
  for (let node = unit.fallbackFor; node !== -1 && !served.has(node); node = units[node]?.fallbackFor ?? -1) {
    served.add(node);
  }
  return served;
}

/**
 * Gives each fallback the position of the main node that it serves, through any chain, so that it runs in that node's
 * turn. A judge has the position of its group's first member.
 */
export function placeInTurn(units: readonly UnitDraft[], groups: readonly Group[]): void {
  for (const unit of units) {
    if (unit.kind === 'judge') {
      unit.order = groups[unit.group]?.members[0] ?? unit.index;
    } else if (unit.fallbackFor !== -1) {
      const root = rootOf(units, unit);
      unit.order = root < units.length ? root : (groups[root - units.length]?.members[0] ?? unit.index);
    }
  }
}
