import { setOwn } from '@batuta/contracts';
import type { Failure, JsonObject, JsonValue } from '@batuta/contracts';
import type { NodeResult, Unit } from '../graph/compiled.js';
import { itemResults } from '../kinds/map/chunk.js';
import { isObject } from '../structures/json.js';
import { groupState, unitState, type State } from './state.js';

const NOTHING: NodeResult = { output: null, skipped: false };
const SKIPPED: NodeResult = { output: null, skipped: true };

/**
 * The unit whose outcome counts for a node: the last selected fallback, or the unit itself. -1 for a group's own
 * outcome.
 */
export function servingUnit(state: State, node: number): number {
  const unitCount = state.config.units.length;
  let current = node;
  // Bounded, because a chain is at most as long as the list of steps.
  for (let length = 0; length <= state.config.stepCount; length++) {
    const servedBy =
      current < unitCount ? unitState(state, current).servedBy : groupState(state, current - unitCount).servedBy;
    if (servedBy === -1) {
      break;
    }
    current = servedBy;
  }
  return current < unitCount ? current : -1;
}

/** Why a node has no output, if it failed and no fallback served it. */
export function nodeFailure(state: State, node: number): Failure | undefined {
  const unitCount = state.config.units.length;
  const serving = servingUnit(state, node);
  const served = serving === -1 ? undefined : unitState(state, serving).phase;
  if (served === 'completed' || served === 'skipped') {
    return undefined;
  }
  const own = node < unitCount ? unitState(state, node) : groupState(state, node - unitCount);
  return own.phase === 'failed' ? own.failure : undefined;
}

/** A node's result for its dependents: null when it failed, was skipped or is not done. */
export function nodeResult(state: State, node: number): NodeResult {
  const serving = servingUnit(state, node);
  if (serving === -1) {
    return groupResult(state, node - state.config.units.length);
  }
  const unit = unitState(state, serving);
  if (unit.phase === 'completed') {
    return { output: unit.output ?? null, skipped: false };
  }
  return unit.phase === 'skipped' ? SKIPPED : NOTHING;
}

function groupResult(state: State, index: number): NodeResult {
  const group = groupState(state, index);
  if (group.phase === 'skipped') {
    return SKIPPED;
  }
  if (group.phase !== 'completed') {
    return NOTHING;
  }
  if (group.reusedOutput !== undefined) {
    return { output: group.reusedOutput, skipped: false };
  }
  const compiled = state.config.groups[index];
  const [first] = group.winners;
  if (compiled?.mode === 'quorum') {
    return { output: mergedOutputs(state, group.winners), skipped: false };
  }
  return first === undefined ? NOTHING : { output: nodeResult(state, first).output, skipped: false };
}

/** Outputs in listed order: objects field by field, with the later value; anything else under its own output key. */
function mergedOutputs(state: State, members: readonly number[]): JsonValue {
  const merged: JsonObject = {};
  for (const member of members) {
    const output = nodeResult(state, member).output;
    if (isObject(output)) {
      for (const key of Object.keys(output)) {
        setOwn(merged, key, output[key] as JsonValue);
      }
    } else {
      setOwn(merged, (state.config.units[member] as Unit).outputKey, output);
    }
  }
  return merged;
}

export function nodeId(state: State, node: number): string {
  const units = state.config.units;
  return (node < units.length ? units[node]?.id : state.config.groups[node - units.length]?.id) ?? '';
}

export function nodeOutputKey(state: State, node: number): string {
  const units = state.config.units;
  return (node < units.length ? units[node]?.outputKey : state.config.groups[node - units.length]?.outputKey) ?? '';
}

/**
 * The execution's output without a mapping: the only sink's output, else an object of the sinks' outputs by output key.
 */
export function defaultOutput(state: State): JsonValue {
  if (state.config.isChunk) {
    return itemResults(state);
  }
  const { sinks } = state.config;
  const [only] = sinks;
  if (sinks.length === 1 && only !== undefined) {
    return nodeResult(state, only).output;
  }
  const output: JsonObject = {};
  for (const sink of sinks) {
    setOwn(output, nodeOutputKey(state, sink), nodeResult(state, sink).output);
  }
  return output;
}
