import type { JsonValue, StepCompleted, StepDefinition, StepView } from '@batuta/contracts';
import type { Draft } from '../draft.js';
import type { Template } from '../expressions/expressions.js';
import type { Unit } from '../graph/compiled.js';
import type { State } from '../state/state.js';
import type { UnitState } from '../state/unit-state.js';

/** What a kind of step is to the engine. `Rules` is what the config says of a step of this kind. */
export interface StepKind<Rules> {
  /** The rules of a step; undefined when it is of another kind. */
  readonly compile: (step: StepDefinition) => Rules | undefined;
  /** The mapping that its input is made of; undefined when its input is what its dependencies give. */
  readonly mapping: (step: StepDefinition) => Template | undefined;
  /** Whether it takes one of `settings.parallel_limit` while it is under way, and may cost something: agents do. */
  readonly takesSlot: boolean;
  /** The step has its turn, its condition holds and its input is known. */
  readonly start: (draft: Draft, unit: Unit, rules: Rules, input: JsonValue) => void;
  /** A successful attempt has another meaning than that the step is done: records it. */
  readonly finished: ((draft: Draft, unit: Unit, rules: Rules, data: StepCompleted) => void) | undefined;
  /** Epoch ms of the deadline of a step that awaits something; undefined when it awaits nothing, 0 for no deadline. */
  readonly awaitsUntil: (unit: UnitState) => number | undefined;
  /** That deadline has passed. */
  readonly due: (draft: Draft, unit: Unit, rules: Rules) => void;
  /** What the view of a step has besides what every step shows; nothing when its state has nothing of this kind. */
  readonly view: (state: State, unit: UnitState) => Partial<StepView>;
  /** Codes of failures that only this kind has: what happened to the step, and as what `fallback_when` knows it. */
  readonly failures: Readonly<Record<string, { readonly happened: string; readonly is: 'error' | 'timeout' }>>;
}
