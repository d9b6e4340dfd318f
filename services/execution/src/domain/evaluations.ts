import { setOwn } from '@batuta/contracts';
import type { JsonObject, JsonValue } from '@batuta/contracts';
import type { Unit } from './compiled.js';
import { valueAtPath } from './expressions.js';
import { nodeOutputKey, nodeResult } from './results.js';
import { unitState, type State } from './state.js';

export type Purpose = 'when' | 'input' | 'vote' | 'output';

/** Names one evaluation within an execution: `<purpose>:<step>`; the execution's output mapping is `output:`. */
export function evaluationKey(purpose: Purpose, subject: string): string {
  return `${purpose}:${subject}`;
}

export function parseKey(key: string): { purpose: Purpose | undefined; subject: string } {
  const colon = key.indexOf(':');
  const purpose = key.slice(0, colon);
  const known = purpose === 'when' || purpose === 'input' || purpose === 'vote' || purpose === 'output';
  return { purpose: known ? purpose : undefined, subject: key.slice(colon + 1) };
}

/** Main nodes that a node depends on, directly or not. */
function ancestors(state: State, from: readonly number[]): number[] {
  const { units, groups } = state.config;
  const seen = new Set<number>(from);
  for (const node of seen) {
    const above = node < units.length ? units[node]?.dependencies : groups[node - units.length]?.members;
    for (const next of above ?? []) {
      seen.add(next);
    }
  }
  return [...seen];
}

function outputsOf(state: State, nodes: readonly number[]): JsonObject {
  const outputs: JsonObject = {};
  // A chain of dependencies may reuse an output key: the node that is nearest wins, so it is written last.
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

/** What the expressions of a step see: `{input, outputs, execution}`, the outputs being those of all its ancestors. */
export function unitContext(state: State, unit: Unit): JsonObject {
  if (unit.compensates !== -1) {
    const step = state.config.units[unit.compensates] as Unit;
    return {
      ...context(state, outputsOf(state, [unit.compensates, ...ancestors(state, step.dependencies)])),
      output: unitState(state, unit.compensates).output ?? null,
    };
  }
  return context(state, outputsOf(state, ancestors(state, unit.dependencies)));
}

/** What the execution's output mapping sees: the outputs of all steps and groups. */
export function outputContext(state: State): JsonObject {
  const { units, groups } = state.config;
  const main = units.filter((unit) => unit.kind === 'step' && unit.fallbackFor === -1).map((unit) => unit.index);
  const nodes = [...main, ...groups.map((group) => units.length + group.index)];
  return context(state, outputsOf(state, nodes.toReversed()));
}

/** What is to be evaluated under a key, as long as it is still wanted. */
export function evaluationOf(
  state: State,
  key: string,
): { readonly expressions: readonly string[]; readonly context: JsonValue } | undefined {
  const { purpose, subject } = parseKey(key);
  if (purpose === 'output') {
    const template = state.config.output;
    return state.evaluatingOutput && template !== undefined
      ? { expressions: template.expressions.map((expression) => expression.source), context: outputContext(state) }
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
  const expressions = purpose === 'when' ? [unit.when] : (unit.input?.expressions ?? []);
  return {
    expressions: expressions.flatMap((expression) => (expression === undefined ? [] : [expression.source])),
    context: unitContext(state, unit),
  };
}

/** Which of a step's expressions is with the sandbox: the condition first, then the mapping. */
export function pendingPurpose(state: State, unit: Unit): 'when' | 'input' {
  if (unit.when === undefined || unitState(state, unit.index).whenEvaluated) {
    return 'input';
  }
  // A plain path is never sent: it was read in its place.
  return valueAtPath(unit.when.path, unitContext(state, unit)).known ? 'input' : 'when';
}
