import type { JsonValue, StepCompleted, StepDefinition, StepView } from '@batuta/contracts';
import type { Draft } from '../draft.js';
import type { Template } from '../expressions/expressions.js';
import type { Unit } from '../graph/compiled.js';
import type { State } from '../state/state.js';
import type { UnitState } from '../state/unit-state.js';

/** A kind of step in the engine. `Rules` is the config of a step of this kind. */
export interface StepKind<Rules> {
  /** The rules of a step. Undefined when it has another kind. */
  readonly compile: (step: StepDefinition) => Rules | undefined;
  /** The mapping of its input. Undefined when its dependencies make up its input. */
  readonly mapping: (step: StepDefinition) => Template | undefined;
  /** Whether a running step takes a slot of `settings.parallel_limit`, and may cost something, as agents do. */
  readonly takesSlot: boolean;
  /** Called when it is the step's turn, its condition holds and its input is known. */
  readonly start: (draft: Draft, unit: Unit, rules: Rules, input: JsonValue) => void;
  /** Records a successful attempt that does not mean that the step is complete. */
  readonly finished: ((draft: Draft, unit: Unit, rules: Rules, data: StepCompleted) => void) | undefined;
  /** Epoch ms of the deadline of a waiting step. Undefined when it does not wait, 0 for no deadline. */
  readonly awaitsUntil: (unit: UnitState) => number | undefined;
  /** Called when that deadline has passed. */
  readonly due: (draft: Draft, unit: Unit, rules: Rules) => void;
  /** Additional fields in the view of a step. Empty when its state has nothing of this kind. */
  readonly view: (state: State, unit: UnitState) => Partial<StepView>;
  /** Codes of failures that only this kind has: what happened to the step, and its kind for `fallback_when`. */
  readonly failures: Readonly<Record<string, { readonly happened: string; readonly is: 'error' | 'timeout' }>>;
}
