import type { StepDefinition } from '@batuta/contracts';
import { choiceOf } from '../kinds/choice/rules.js';
import { servedBy } from './fallbacks.js';
import type { UnitDraft } from './step-unit.js';

function numbers(names: readonly string[] | undefined, nodes: ReadonlyMap<string, number>): number[] {
  const found = new Set<number>();
  for (const name of names ?? []) {
    const node = nodes.get(name);
    if (node !== undefined) {
      found.add(node);
    }
  }
  return [...found];
}

/** Records what each step names as dependencies. */
export function nameDependencies(
  units: readonly UnitDraft[],
  steps: readonly StepDefinition[],
  nodes: ReadonlyMap<string, number>,
): void {
  for (const [index, step] of steps.entries()) {
    (units[index] as UnitDraft).dependencies = numbers(step.dependencies, nodes);
  }
}

/** Makes each step wait for its dependencies. A group's member also waits for those of the other members. */
export function waitForDependencies(
  units: readonly UnitDraft[],
  stepCount: number,
  members: readonly (readonly number[])[],
): void {
  const shared = members.map((group) => [
    ...new Set(group.flatMap((member) => (units[member] as UnitDraft).dependencies)),
  ]);
  for (const unit of units.slice(0, stepCount)) {
    const waits = unit.group === -1 ? unit.dependencies : (shared[unit.group] ?? []);
    const served = servedBy(units, unit);
    unit.waitsFor = waits.filter((node) => node !== unit.index && !served.has(node));
  }
}

/** Records for each step the choices that must choose it. */
export function nameChosen(units: readonly UnitDraft[], unitIndex: ReadonlyMap<string, number>): void {
  for (const choice of units) {
    const rules = choiceOf(choice);
    for (const id of new Set([...(rules?.branches.flat() ?? []), ...(rules?.otherwise ?? [])])) {
      const unit = units[unitIndex.get(id) ?? -1];
      if (unit !== undefined) {
        unit.chosenBy = [...unit.chosenBy, choice.index];
      }
    }
  }
}
