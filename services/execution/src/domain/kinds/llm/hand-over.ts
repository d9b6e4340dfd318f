import type { HandOver, JsonObject, JsonValue } from '@batuta/contracts';
import { isObject } from '../../structures/json.js';

/** The input of whoever a conversation is handed over to: that of the call, with as much of the conversation as the config says. */
export function handedOver(how: HandOver, input: JsonValue, messages: readonly JsonObject[]): JsonValue {
  if (how === 'none') return input;
  const said = isObject(input) ? input : input === null ? {} : { input };
  return { ...said, messages: handedMessages(how, messages) };
}

function handedMessages(how: Exclude<HandOver, 'none'>, messages: readonly JsonObject[]): JsonObject[] {
  switch (how) {
    case 'last': {
      const last = messages.findLast(({ role }) => role === 'user');
      return last === undefined ? [] : [last];
    }
    case 'dialogue':
      return messages.flatMap((message) => {
        const { role, content } = message;
        return role === 'user' || (role === 'assistant' && content !== '') ? [withoutCalls(message)] : [];
      });
    case 'all': {
      // The call that hands over has no result, and no provider takes a call without one.
      const last = messages.at(-1);
      const before = messages.filter(({ role }) => role !== 'system');
      if (last?.role !== 'assistant') return before;
      return [...before.slice(0, -1), ...(last.content === '' ? [] : [withoutCalls(last)])];
    }
    default:
      return how satisfies never;
  }
}

function withoutCalls({ tool_calls: _calls, ...message }: JsonObject): JsonObject {
  return message as JsonObject;
}
