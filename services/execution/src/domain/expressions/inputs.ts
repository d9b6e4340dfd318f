import { setOwn } from '@batuta/contracts';
import type { JsonObject, JsonValue } from '@batuta/contracts';
import type { Unit } from '../graph/compiled.js';
import { unitContext } from './evaluations.js';
import { mappedValue } from './expressions.js';
import { firstMessages } from '../kinds/llm/conversation.js';
import { itemOf } from '../kinds/map/chunk.js';
import { chunkInput } from '../kinds/map/chunk-start.js';
import { handedOver } from '../kinds/llm/hand-over.js';
import { meaningQuestion } from '../kinds/route/by-meaning.js';
import { modelQuestion } from '../kinds/route/by-model.js';
import { readMapped, type Mapped } from '../kinds/route/mapped.js';
import { routeOf } from '../kinds/route/rules.js';
import { isObject, jsonBytesBeyond, sumBeyond } from '../structures/json.js';
import { nodeFailure, nodeId, nodeOutputKey, nodeResult } from '../state/results.js';
import { seenNodes } from '../graph/seen-nodes.js';
import { unitState, type State } from '../state/state.js';
import { tallyGroup } from '../../strategies/consensus/ballots.js';

function putFields(input: JsonObject, fields: JsonObject): void {
  for (const key of Object.keys(fields)) {
    setOwn(input, key, fields[key] as JsonValue);
  }
}

/**
 * The execution's input with the outputs of the step's dependencies added: under their keys, or merged with
 * `settings.default_input: merged`.
 */
function dependencyInput(state: State, unit: Unit): JsonValue {
  if (state.config.isChunk) {
    return itemOf(state, unit);
  }
  const base = state.started?.input ?? null;
  const seen = seenNodes(state.config, unit);
  if (seen.length === 0) {
    return base;
  }
  const input: JsonObject = {};
  if (isObject(base)) {
    putFields(input, base);
  } else if (state.started?.input !== undefined) {
    input.input = base;
  }
  for (const node of seen) {
    if (state.config.mergesInputs) {
      const given = mergedFrom(state, node);
      setOwn(input, `${MERGED_PREFIX}${nodeId(state, node)}`, given);
      if (isObject(given)) {
        putFields(input, given);
      }
    } else {
      setOwn(input, nodeOutputKey(state, node), nodeResult(state, node).output);
    }
  }
  return input;
}

const MERGED_PREFIX = 'dep_';

/** What a dependency adds to a merged input: its output, or why it failed. */
function mergedFrom(state: State, node: number): JsonValue {
  const failure = nodeFailure(state, node);
  return failure === undefined ? nodeResult(state, node).output : { error: failure.message };
}

function judgeInput(state: State, unit: Unit): JsonValue {
  const tally = tallyGroup(state, unit.group);
  const candidates = tally.kind === 'judge' ? tally.candidates : (state.config.groups[unit.group]?.members ?? []);
  return {
    input: state.started?.input ?? null,
    group: state.config.groups[unit.group]?.id ?? '',
    candidates: candidates.map((member) => ({
      step_id: nodeId(state, member),
      output: nodeResult(state, member).output,
    })),
  };
}

/** What the mapping of a route came to, with what its candidate is given. */
export function routeMapped(state: State, unit: Unit): Mapped {
  return readMapped(unitInput(state, unit)?.value ?? null, () => dependencyInput(state, unit));
}

/** The input of a place of a route: the question to the model, or what the chosen candidate is given. */
function routedInput(state: State, place: Unit, route: Unit): JsonValue {
  const { input, message } = routeMapped(state, route);
  const rules = routeOf(route);
  if (!place.asksModel || rules === undefined) {
    return input;
  }
  const reserved = unitState(state, place.index).call?.reserved;
  if (place.name === 'semantic') {
    return meaningQuestion(rules, message, reserved);
  }
  return modelQuestion(rules, message, unitState(state, route.index).route?.answers ?? [], reserved);
}

function callInput(state: State, unit: Unit): JsonValue {
  const caller = state.config.units[unit.caller];
  if (caller?.work.kind === 'route') {
    return routedInput(state, unit, caller);
  }
  const input = unitState(state, unit.index).call?.input ?? null;
  const handOver = unit.tool?.handOver;
  if (handOver === undefined || caller === undefined) {
    return input;
  }
  const mapped = unitInput(state, caller)?.value ?? null;
  const said = unitState(state, caller.index).conversation?.messages ?? [];
  return handedOver(handOver, input, [...firstMessages(mapped), ...said]);
}

/** The input of a unit's next or current attempt. Undefined when the sandbox must answer first. */
export function unitInput(state: State, unit: Unit): { readonly value: JsonValue } | undefined {
  if (unit.input !== undefined) {
    const value = mappedValue(unit.input, () => unitContext(state, unit), unitState(state, unit.index).inputValues);
    return value === undefined ? undefined : { value };
  }
  switch (unit.kind) {
    case 'step':
      return { value: dependencyInput(state, unit) };
    case 'lane': {
      const caller = state.config.units[unit.caller];
      return { value: chunkInput(state, unit, caller === undefined ? undefined : unitInput(state, caller)?.value) };
    }
    case 'tool':
      return { value: callInput(state, unit) };
    case 'judge':
      return { value: judgeInput(state, unit) };
    case 'compensation':
      return {
        value: { input: state.started?.input ?? null, output: unitState(state, unit.compensates).output ?? null },
      };
    default:
      return unit.kind satisfies never;
  }
}

/** Bytes of a unit's input as JSON, if there are more than `limit`. */
export function inputBytesBeyond(limit: number, state: State, unit: Unit, input: JsonValue): number | undefined {
  // Measures the parts of an assembled input, because their sizes are cached. The whole is a new object each time.
  const seen = unit.input === undefined && unit.kind === 'step' ? seenNodes(state.config, unit) : [];
  if (seen.length === 0) {
    return jsonBytesBeyond(limit, input);
  }
  return sumBeyond(limit, (bytesOf) => {
    let bytes = bytesOf(state.started?.input) + 16;
    for (const node of seen) {
      if (state.config.mergesInputs) {
        const given = mergedFrom(state, node);
        // Its fields are in the input twice: under its name, and merged.
        bytes += (isObject(given) ? 2 : 1) * bytesOf(given) + MERGED_PREFIX.length + nodeId(state, node).length + 4;
        continue;
      }
      bytes += bytesOf(nodeResult(state, node).output) + nodeOutputKey(state, node).length + 4;
    }
    return bytes;
  });
}

/** The assembled input of an attempt, by step id. Null for a step that the config does not have. */
export function taskInput(state: State, stepId: string): JsonValue {
  const index = state.config.unitIndex.get(stepId);
  const unit = index === undefined ? undefined : state.config.units[index];
  return unit === undefined ? null : (unitInput(state, unit)?.value ?? null);
}
