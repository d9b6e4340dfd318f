import {
  FAILURE_CODES,
  type JsonObject,
  type JsonValue,
  type ModelToolCall,
  type StepCompleted,
} from '@batuta/contracts';
import type { Draft } from '../../draft.js';
import type { Unit } from '../../graph/compiled.js';
import { compiledUnit } from '../../state/nodes.js';
import { unitState, type State } from '../../state/state.js';
import { isObject } from '../../structures/json.js';
import { makeCall } from './call.js';
import { BEGINNING } from './conversation.js';
import { callModel } from './model-call.js';
import { llmOf, type LlmRules } from './rules.js';

/** How many calls of one answer are made. The model is told that the others were not made. */
const MOST_CALLS = 32;

/** The effect of an answer. */
type Outcome =
  | { readonly next: 'tools' | 'model'; readonly feedback?: string }
  | { readonly next: 'end'; readonly output: JsonValue }
  | { readonly next: 'end'; readonly failure: { readonly code: string; readonly message: string } };

/** Records the model's answer and its effect on the step. */
export function modelAnswered(draft: Draft, unit: Unit, rules: LlmRules, data: StepCompleted): void {
  const { output, stepId, attempt, startedAt, finishedAt, ...measured } = data;
  const answer: JsonObject = isObject(output) ? output : {};
  const { turn: before, repairs } = unitState(draft.state, unit.index).conversation ?? BEGINNING;
  const turn = before + 1;
  const calls = withoutOthers(callsOf(answer, rules), rules);
  const outcome = outcomeOf(answer, calls, rules, turn, repairs);
  const { text, finish_reason: reason, model, price } = answer;
  draft.emit({
    type: 'ModelAnswered',
    data: {
      stepId,
      attempt,
      turn,
      text: typeof text === 'string' ? text : '',
      ...(calls.length === 0 ? {} : { toolCalls: calls }),
      next: outcome.next,
      ...('feedback' in outcome && outcome.feedback !== undefined ? { feedback: outcome.feedback } : {}),
      finishReason: typeof reason === 'string' ? reason : '',
      ...(isObject(model) ? { model } : {}),
      ...(isObject(price) ? { price } : {}),
      startedAt,
      finishedAt,
      ...measured,
    },
  });
  if (outcome.next !== 'end') return;
  if ('failure' in outcome) {
    draft.failStep(unit.index, { ...outcome.failure, retryable: false });
    return;
  }
  const began = unitState(draft.state, unit.index).firstScheduledAt;
  draft.emit({
    type: 'StepCompleted',
    data: { attempt: 0, finishedAt: draft.at, output: outcome.output, startedAt: began, stepId },
  });
}

/** The calls that the answer requests. Only tools of the config are ever called, whatever the runner reports. */
function callsOf({ tool_calls: asked }: JsonObject, rules: LlmRules): ModelToolCall[] {
  if (!Array.isArray(asked)) return [];
  return asked.filter(isObject).map((call, place): ModelToolCall => {
    const { id, name, input = null, problem } = call;
    const called = typeof name === 'string' ? name : '';
    const told =
      typeof problem === 'string'
        ? problem
        : !rules.tools.has(called)
          ? `There is no tool "${called}".`
          : place >= MOST_CALLS
            ? `At most ${MOST_CALLS} calls are made at once.`
            : undefined;
    return {
      id: typeof id === 'string' ? id : `call_${place}`,
      name: called,
      input,
      ...(told === undefined ? {} : { problem: told }),
    };
  });
}

/** Whoever hands a conversation over has nothing else called: nobody would be told what came of it. */
function withoutOthers(calls: ModelToolCall[], rules: LlmRules): ModelToolCall[] {
  const handing = calls.find(({ name, problem }) => problem === undefined && handsOver(rules, name));
  if (handing === undefined) return calls;
  const problem = `It is not called, since "${handing.name}" hands the conversation over.`;
  return calls.map((call) => (call === handing ? call : { problem, ...call }));
}

function handsOver(rules: LlmRules, tool: string): boolean {
  return rules.tools.get(tool)?.handOver !== undefined;
}

function outcomeOf(
  answer: JsonObject,
  calls: readonly ModelToolCall[],
  rules: LlmRules,
  turn: number,
  repairs: number,
): Outcome {
  const finish = calls.find(({ name, problem }) => problem === undefined && rules.tools.get(name)?.finishes === true);
  if (finish !== undefined) return { next: 'end', output: finish.input ?? null };
  const more = turn < rules.maxTurns;
  const message = `the model was not done after ${turn} turns (max_turns)`;
  const tooMany: Outcome = { next: 'end', failure: { code: FAILURE_CODES.maxTurns, message } };
  if (calls.length > 0) {
    if (!more && !calls.some(({ name, problem }) => problem === undefined && handsOver(rules, name))) return tooMany;
    return { next: calls.some(({ problem }) => problem === undefined) ? 'tools' : 'model' };
  }
  const { problem, output, text, finish_reason: reason } = answer;
  if (!rules.hasSchema) return { next: 'end', output: { text: text ?? '', finish_reason: reason ?? '' } };
  if (typeof problem !== 'string' && output !== undefined) return { next: 'end', output };
  const why = typeof problem === 'string' ? problem : 'it is not JSON.';
  if (repairs < rules.maxRepairs) {
    return more
      ? { next: 'model', feedback: `Your answer does not fit: ${why} Answer again, with JSON only.` }
      : tooMany;
  }
  const told = `the answer does not fit output_schema: ${why}`;
  return { next: 'end', failure: { code: FAILURE_CODES.modelAnswerInvalid, message: told } };
}

/** Whether a conversation has no running call and needs the model or a tool next. */
export function awaitsTurn(state: State): boolean {
  return state.config.modelUnits.some((index) => unitState(state, index).phase === 'calling');
}

/** Makes the next call of a conversation, of the model or of a tool. One at a time. */
export function advance(draft: Draft): boolean {
  const { state } = draft;
  for (const index of state.config.modelUnits) {
    const { phase, conversation } = unitState(state, index);
    if (phase !== 'calling' || conversation === undefined) continue;
    const unit = compiledUnit(state, index);
    if (conversation.calls.length === 0) {
      callModel(draft, unit);
      return true;
    }
    const open = unit.places.find((place) => unitState(state, place).phase === 'ready');
    if (open !== undefined) {
      // A human or the sandbox has answered, or a pause stopped it.
      makeCall(draft, open);
      return true;
    }
    for (const [place, { id, name, result, place: taken }] of conversation.calls.entries()) {
      if (result !== undefined || taken !== -1) continue;
      const free = llmOf(unit)?.tools.has(name) === true ? freePlace(state, unit, name) : undefined;
      if (free === undefined) continue;
      const stepId = compiledUnit(state, free).id;
      const { turn } = conversation;
      draft.emit({ type: 'ToolCalled', data: { stepId, callerId: unit.id, turn, index: place, callId: id } });
      makeCall(draft, free);
      return true;
    }
  }
  return false;
}

function freePlace(state: State, unit: Unit, tool: string): number | undefined {
  return unit.places.find(
    (place) => compiledUnit(state, place).name === tool && unitState(state, place).call === undefined,
  );
}
