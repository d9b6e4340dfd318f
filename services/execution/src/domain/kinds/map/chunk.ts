import {
  FAILURE_CODES,
  LIMITS,
  type Failure,
  type JsonObject,
  type JsonValue,
  type OrchestrationDefinition,
  type StepDefinition,
} from '@batuta/contracts';
import type { Unit } from '../../graph/compiled.js';
import { unitState, type State } from '../../state/state.js';
import { isObject, jsonBytesBeyond } from '../../structures/json.js';

/** Characters of a failed item's message that its map keeps. The item's step has the whole message. */
const MESSAGE = 300;

/** How many items a config has a step for each. 0 for every other config. */
export function chunkItems(definition: OrchestrationDefinition): number {
  const { chunk_items: items } = definition as { chunk_items?: unknown };
  return typeof items === 'number' ? items : 0;
}

/** The steps of a chunk: that of its config, once for each item. */
export function itemSteps([step]: readonly StepDefinition[], items: number): StepDefinition[] {
  return step === undefined ? [] : Array.from({ length: items }, (_, item) => ({ ...step, id: `item-${item}` }));
}

function given(state: State): JsonObject {
  const input = state.started?.input;
  return isObject(input) ? input : {};
}

/** The item of a chunk's step. */
export function itemOf(state: State, unit: Unit): JsonValue {
  const { items } = given(state);
  return (Array.isArray(items) ? items[unit.order] : undefined) ?? null;
}

/** What an item's expressions see: what those of the step with the map saw, and the item. */
export function itemScope(state: State, unit: Unit): JsonObject {
  const { input = null, outputs = {}, execution = {}, first } = given(state);
  return { input, outputs, execution, item: itemOf(state, unit), index: Number(first) + unit.order };
}

/** How many items of the chunk have failed. */
export function failedItems(state: State): number {
  return state.config.units.slice(0, state.config.stepCount).filter(({ index }) => isFailed(state, index)).length;
}

function isFailed(state: State, index: number): boolean {
  return unitState(state, index).phase === 'failed';
}

/** Whether one more failed item is tolerated. The map counts over all chunks; one alone may already have too many. */
export function toleratesOneMore(state: State): boolean {
  return failedItems(state) < Number(given(state).tolerated);
}

/** Why a chunk fails in which every item has its outcome. Undefined when none has failed. */
export function chunkFailure(state: State): Failure | undefined {
  const failed = failedItems(state);
  return failed === 0
    ? undefined
    : {
        code: FAILURE_CODES.itemsFailed,
        message: `${failed} of ${state.config.stepCount} items failed`,
        retryable: false,
      };
}

/** The outputs in the order of the items. Null for an item without one. */
export function itemResults(state: State): JsonValue[] {
  return state.config.units.slice(0, state.config.stepCount).map(({ index }) => {
    const { phase, output } = unitState(state, index);
    return phase === 'completed' ? (output ?? null) : null;
  });
}

/** What a chunk tells the execution with the map when it ends, whatever its end. */
export function chunkReport(state: State): JsonObject {
  const { first, results: kept } = given(state);
  const steps = state.config.units.slice(0, state.config.stepCount);
  const failed = steps.flatMap(({ index, order }): JsonObject[] => {
    const { failure } = unitState(state, index);
    if (!isFailed(state, index) || failure === undefined) return [];
    return [{ index: Number(first) + order, code: failure.code, message: failure.message.slice(0, MESSAGE) }];
  });
  const completed = steps.filter(({ index }) =>
    ['completed', 'skipped'].includes(unitState(state, index).phase),
  ).length;
  const report = { completed, failed };
  if (kept !== true) return report;
  const results = itemResults(state);
  return jsonBytesBeyond(LIMITS.payloadBytes, results) === undefined
    ? { ...report, results }
    : { ...report, too_large: true };
}
