import type { Budget, JsonObject, JsonValue, ModelAnswered } from '@batuta/contracts';
import { canonicalJson, isObject, jsonBytesBeyond } from '../../structures/json.js';

/** A call that the model requested in its last answer. */
interface CallState {
  readonly id: string;
  readonly name: string;
  readonly input: JsonValue;
  /** The unit that makes it. -1 while it waits. */
  readonly place: number;
  /** The result for the model. Undefined while it is not done. */
  readonly result: JsonObject | undefined;
}

/** The state of a conversation with a model. Each message is stored once. */
export interface ConversationState {
  /** How many answers the model has given. */
  readonly turn: number;
  /** How many answers in a row did not fit. */
  readonly repairs: number;
  /** Messages after the beginning, which comes from the step's mapping. */
  readonly messages: readonly JsonObject[];
  /** The calls of the current turn. */
  readonly calls: readonly CallState[];
  /** The budget for the current call of the model. */
  readonly reserved: Budget | undefined;
  /** What another one gave that it was handed over to: the step is done with it. */
  readonly handedOver: { readonly output: JsonValue } | undefined;
}

export const BEGINNING: ConversationState = {
  turn: 0,
  repairs: 0,
  messages: [],
  calls: [],
  reserved: undefined,
  handedOver: undefined,
};

/** The message to the model about a call that has ended. */
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
    handedOver: undefined,
  };
  const settled = withResults(next);
  return feedback.length === 0 ? settled : { ...settled, messages: [...settled.messages, ...feedback] };
}

/** Results are added to the conversation together, in the order of the calls, when all have arrived. */
export function withResults(conversation: ConversationState): ConversationState {
  const { calls, messages } = conversation;
  if (calls.length === 0 || calls.some(({ result }) => result === undefined)) return conversation;
  return { ...conversation, calls: [], messages: [...messages, ...calls.map(({ result }) => result as JsonObject)] };
}

/** The part of a result that a model gets: all of it, or its beginning. */
export function resultContent(output: JsonValue, limit: number): JsonValue {
  const bytes = jsonBytesBeyond(limit, output);
  if (bytes === undefined) return output;
  const text = typeof output === 'string' ? output : JSON.stringify(output);
  return { truncated: true, bytes, beginning: text.slice(0, limit) };
}

/** The messages of a mapping: `messages`, or `prompt` as the first one. `system` comes before them. */
export function firstMessages(mapped: JsonValue): JsonObject[] {
  const { system, prompt, messages } = isObject(mapped) ? mapped : ({} as JsonObject);
  const first: JsonObject[] = typeof system === 'string' && system !== '' ? [{ role: 'system', content: system }] : [];
  if (Array.isArray(messages)) return [...first, ...messages.filter(isObject)];
  // In the order of keys that the log keeps, so that a conversation begins with the same text whoever puts it together.
  const said = typeof prompt === 'string' ? prompt : canonicalJson(prompt ?? null);
  return [...first, { role: 'user', content: said }];
}
