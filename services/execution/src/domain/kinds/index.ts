import { FAILURE_CODES, type StepDefinition, type StepView } from '@batuta/contracts';
import type { Unit } from '../graph/compiled.js';
import type { State } from '../state/state.js';
import type { UnitState } from '../state/unit-state.js';
import type { StepKind } from './kind.js';
import { KINDS } from './registry.js';

export { KINDS };

type RulesOf<Kind> = Kind extends StepKind<infer Rules> ? Rules : never;

/** The work of a step, by its kind. */
export type Work = {
  [K in keyof typeof KINDS]: { readonly kind: K; readonly rules: RulesOf<(typeof KINDS)[K]> };
}[keyof typeof KINDS];

/** Of a step that runs again, whatever its kind. */
const REPEAT_FAILURES: StepKind<unknown>['failures'] = {
  [FAILURE_CODES.maxIterations]: { happened: 'did not come to an end', is: 'error' },
};

const ALL: readonly StepKind<unknown>[] = Object.values(KINDS) as readonly StepKind<unknown>[];

/** The kind of a unit. `work.rules` are rules of this kind, which the compiler cannot see through the table. */
export function kindOf({ work }: Pick<Unit, 'work'>): StepKind<unknown> {
  return KINDS[work.kind] as StepKind<unknown>;
}

/** The work of a step in the config. */
export function workOf(step: StepDefinition): Work {
  for (const [kind, { compile }] of Object.entries(KINDS)) {
    const rules = compile(step);
    if (rules !== undefined) {
      return { kind, rules } as Work;
    }
  }
  return AGENT_WORK;
}

/** The work of compensations, judges and tools. */
export const AGENT_WORK: Work = { kind: 'agent', rules: {} };

/** The fields that a kind adds to the view of a step. */
export function ofKinds(state: State, unit: UnitState): Partial<StepView> {
  return Object.assign({}, ...ALL.map((kind) => kind.view(state, unit))) as Partial<StepView>;
}

/** The meaning of a failure's code that only one kind of step has. */
export function failureOfKind(code: string): StepKind<unknown>['failures'][string] | undefined {
  return REPEAT_FAILURES[code] ?? ALL.find(({ failures }) => Object.hasOwn(failures, code))?.failures[code];
}
