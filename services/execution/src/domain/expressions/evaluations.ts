import { setOwn } from '@batuta/contracts';
import type { JsonObject, JsonValue } from '@batuta/contracts';
import type { Unit } from '../graph/compiled.js';
import { sandboxed, valueAtPath, type Expression } from './expressions.js';
import { loopScope } from '../repeat/loop-state.js';
import { itemScope } from '../kinds/map/chunk.js';
import { keyContext } from '../state/place.js';
import { isObject } from '../structures/json.js';
import { nodeOutputKey, nodeResult } from '../state/results.js';
import { seenNodes } from '../graph/seen-nodes.js';
import { unitState, type State } from '../state/state.js';

/** Expressions for the sandbox, and their context. */
interface Evaluation {
  readonly expressions: readonly string[];
  readonly context: JsonValue;
}

type Purpose = 'when' | 'input' | 'until' | 'vote' | 'output' | 'concurrency';

const PURPOSES: ReadonlySet<string> = new Set<Purpose>(['when', 'input', 'until', 'vote', 'output', 'concurrency']);

/** The name of one evaluation within an execution: `<purpose>:<step>`. The execution's output mapping is `output:`, its key is `concurrency:`. */
export function evaluationKey(purpose: Purpose, subject: string): string {
  return `${purpose}:${subject}`;
}

export function parseKey(key: string): { purpose: Purpose | undefined; subject: string } {
  const colon = key.indexOf(':');
  const purpose = key.slice(0, colon);
  return { purpose: PURPOSES.has(purpose) ? (purpose as Purpose) : undefined, subject: key.slice(colon + 1) };
}

/** Main nodes that a node depends on, directly or indirectly. */
export function ancestors(state: State, from: readonly number[]): number[] {
  const { units, groups } = state.config;
  const seen = new Set<number>(from);
  for (const node of seen) {
    const unit = units[node];
    const above = unit === undefined ? groups[node - units.length]?.members : seenNodes(state.config, unit);
    for (const next of above ?? []) {
      seen.add(next);
    }
  }
  return [...seen];
}

function outputsOf(state: State, nodes: readonly number[]): JsonObject {
  const outputs: JsonObject = {};
  // A chain of dependencies may reuse an output key. The nearest node wins, so it is written last.
  for (const node of nodes.toReversed()) {
    setOwn(outputs, nodeOutputKey(state, node), nodeResult(state, node).output);
  }
  return outputs;
}

function context(state: State, outputs: JsonObject): JsonObject {
  return {
    input: state.started?.input ?? null,
    outputs,
    execution: { id: state.executionId, name: state.config.definition.name },
  };
}

/**
 * What the expressions of a step see: `{input, outputs, execution}`, the outputs being those of all its ancestors. In a repeat also
 * `{iteration, result, results}`.
 */
export function unitContext(state: State, unit: Unit): JsonObject {
  if (unit.compensates !== -1) {
    const step = state.config.units[unit.compensates] as Unit;
    return {
      ...context(state, outputsOf(state, [unit.compensates, ...ancestors(state, seenNodes(state.config, step))])),
      output: unitState(state, unit.compensates).output ?? null,
    };
  }
  const caller = state.config.units[unit.caller];
  if (caller !== undefined) {
    const { call } = unitState(state, unit.index);
    return { ...unitContext(state, caller), call: { tool: unit.name, input: call?.input ?? null } };
  }
  const scope = state.config.isChunk
    ? itemScope(state, unit)
    : context(state, outputsOf(state, ancestors(state, seenNodes(state.config, unit))));
  return unit.repeat === undefined ? scope : { ...scope, ...loopScope(unitState(state, unit.index).loop) };
}

/** The context of the execution's output mapping: the outputs of all steps and groups. */
export function outputContext(state: State): JsonObject {
  const { units, groups } = state.config;
  const main = units.filter((unit) => unit.kind === 'step' && unit.fallbackFor === -1).map((unit) => unit.index);
  const nodes = [...main, ...groups.map((group) => units.length + group.index)];
  return context(state, outputsOf(state, nodes.toReversed()));
}

/** The evaluation with this key, if it is still wanted. */
export function evaluationOf(state: State, key: string): Evaluation | undefined {
  const { purpose, subject } = parseKey(key);
  if (purpose === 'output') {
    const template = state.config.output;
    return state.evaluatingOutput && template !== undefined
      ? evaluation(sandboxed(template), outputContext(state))
      : undefined;
  }
  if (purpose === 'concurrency') {
    const template = state.config.concurrency?.key;
    return state.place?.phase === 'evaluating' && template !== undefined
      ? evaluation(sandboxed(template), keyContext(state))
      : undefined;
  }
  const index = state.config.unitIndex.get(subject);
  const unit = index === undefined ? undefined : state.config.units[index];
  if (index === undefined || unit === undefined) {
    return undefined;
  }
  const current = unitState(state, index);
  if (purpose === 'vote') {
    const group = state.config.groups[unit.group];
    const expression = group?.mode === 'best' ? group.score : group?.voteKey;
    return current.ballot === 'evaluating' && expression !== undefined
      ? { expressions: [expression.source], context: nodeResult(state, index).output }
      : undefined;
  }
  if (current.phase !== 'evaluating' || pendingPurpose(state, unit) !== purpose) {
    return undefined;
  }
  if (purpose === 'when') {
    return evaluation(unit.when === undefined ? [] : [unit.when], unitContext(state, unit));
  }
  if (purpose === 'until') {
    return evaluation(unit.repeat === undefined ? [] : [unit.repeat.until], unitContext(state, unit));
  }
  return evaluation(unit.input === undefined ? [] : sandboxed(unit.input), unitContext(state, unit));
}

function evaluation(expressions: readonly Expression[], scope: JsonObject): Evaluation {
  const sources = expressions.map((expression) => expression.source);
  return { expressions: sources, context: referredTo(sources, scope) };
}

/** Functions that see only their arguments. Others use their context when an argument is missing. */
const EXPLICIT = new Set(
  'append average boolean count distinct exists filter join map max merge millis min not now reduce reverse single sort string sum zip'.split(
    ' ',
  ),
);
// With these an expression may reach a field without naming it: wildcards, parents, escapes.
const INDIRECT = /[*%\\]/;
const VARIABLE = /\$([A-Za-z_]\w*)?\s*(\()?\s*(\))?/g;

/**
 * Whether the expression names every field that it can see. When in doubt the answer is no, and then everything is
 * sent.
 */
function namesItsFields(source: string): boolean {
  if (INDIRECT.test(source)) {
    return false;
  }
  for (const [, name, call, empty] of source.matchAll(VARIABLE)) {
    const isNow = name === 'now' || name === 'millis';
    if (name === undefined || (call !== undefined && (!EXPLICIT.has(name) || (empty !== undefined && !isNow)))) {
      return false;
    }
  }
  return true;
}

/** The part of a scope that expressions can refer to, if this can be determined. Outputs can have megabytes. */
export function referredTo(sources: readonly string[], scope: JsonObject): JsonObject {
  if (!sources.every(namesItsFields)) {
    return scope;
  }
  const { outputs } = scope;
  const part = fieldsNamed(sources, scope);
  if (part.outputs !== undefined && isObject(outputs) && !sources.some((source) => ALL_OUTPUTS.test(source))) {
    part.outputs = fieldsNamed(sources, outputs);
  }
  return part;
}

// The outputs as a whole, and not a field of them.
const ALL_OUTPUTS = /outputs(?![`"']?\s*\.\s*[A-Za-z_`"'])/;

function fieldsNamed(sources: readonly string[], from: JsonObject): JsonObject {
  const part: JsonObject = {};
  for (const field of Object.keys(from)) {
    if (sources.some((source) => source.includes(field))) {
      setOwn(part, field, from[field] as JsonValue);
    }
  }
  return part;
}

/** Which of a step's expressions is with the sandbox: the condition first, then the mapping; after an iteration `until`. */
export function pendingPurpose(state: State, unit: Unit): 'when' | 'input' | 'until' {
  if (unitState(state, unit.index).loop?.between === true) {
    return 'until';
  }
  if (unit.when === undefined || unitState(state, unit.index).whenEvaluated) {
    return 'input';
  }
  // A plain path is never sent, because it is read directly.
  return valueAtPath(unit.when.path, unitContext(state, unit)).known ? 'input' : 'when';
}
