import type { Budget, JsonObject, JsonValue, ModelAnswered } from '@batuta/contracts';
import { isObject, jsonBytesBeyond } from '../../structures/json.js';

/** A call that the model asked for in its last answer. */
export interface CallState {
  readonly id: string;
  readonly name: string;
  readonly input: JsonValue;
  /** Unit that makes it; -1 while it waits. */
  readonly place: number;
  /** What the model is told of it; undefined while it is not done. */
  readonly result: JsonObject | undefined;
}

/** How far a step that asks a model has come. Each message stands here once. */
export interface ConversationState {
  /** Answers of the model. */
  readonly turn: number;
  /** Answers that did not fit, one after the other. */
  readonly repairs: number;
  /** What was said after the beginning, which the step's mapping gives. */
  readonly messages: readonly JsonObject[];
  /** Of the turn under way. */
  readonly calls: readonly CallState[];
  /** For the call of the model that is under way. */
  readonly reserved: Budget | undefined;
}

export const BEGINNING: ConversationState = { turn: 0, repairs: 0, messages: [], calls: [], reserved: undefined };

/** What the model is told of a call that has ended. */
export function toolMessage(id: string, name: string, content: JsonValue, failed: boolean): JsonObject {
  return { role: 'tool', tool_call_id: id, name, content, ...(failed ? { is_error: true } : {}) };
}

/** The conversation after an answer. */
export function answered(before: ConversationState, data: ModelAnswered): ConversationState {
  const asked = data.toolCalls ?? [];
  const message: JsonObject = {
    role: 'assistant',
    content: data.text,
    ...(asked.length === 0
      ? {}
      : { tool_calls: asked.map(({ id, name, input }) => ({ id, name, input: input ?? null })) }),
  };
  const calls = asked.map(({ id, name, input = null, problem }): CallState => {
    const result = problem === undefined ? undefined : toolMessage(id, name, problem, true);
    return { id, name, input, place: -1, result };
  });
  const feedback: JsonObject[] = data.feedback === undefined ? [] : [{ role: 'user', content: data.feedback }];
  const next: ConversationState = {
    turn: data.turn,
    repairs: data.feedback === undefined ? 0 : before.repairs + 1,
    messages: [...before.messages, message],
    calls: data.next === 'end' ? [] : calls,
    reserved: undefined,
  };
  const settled = withResults(next);
  return feedback.length === 0 ? settled : { ...settled, messages: [...settled.messages, ...feedback] };
}

/** Results go to the conversation together and in the order of the calls, once all are there. */
export function withResults(conversation: ConversationState): ConversationState {
  const { calls, messages } = conversation;
  if (calls.length === 0 || calls.some(({ result }) => result === undefined)) return conversation;
  return { ...conversation, calls: [], messages: [...messages, ...calls.map(({ result }) => result as JsonObject)] };
}

/** What a model is given of a result: all of it, or its beginning. */
export function resultContent(output: JsonValue, limit: number): JsonValue {
  const bytes = jsonBytesBeyond(limit, output);
  if (bytes === undefined) return output;
  const text = typeof output === 'string' ? output : JSON.stringify(output);
  return { truncated: true, bytes, beginning: text.slice(0, limit) };
}

/** The messages that a mapping gives: `messages`, or `prompt` as the first one. `system` goes before them. */
export function firstMessages(mapped: JsonValue): JsonObject[] {
  const { system, prompt, messages } = isObject(mapped) ? mapped : ({} as JsonObject);
  const first: JsonObject[] = typeof system === 'string' && system !== '' ? [{ role: 'system', content: system }] : [];
  if (Array.isArray(messages)) return [...first, ...messages.filter(isObject)];
  const said = typeof prompt === 'string' ? prompt : JSON.stringify(prompt ?? null);
  return [...first, { role: 'user', content: said }];
}
