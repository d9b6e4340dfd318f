import type { JsonObject, JsonValue } from '@batuta/contracts';
import type { ModelMessage, ToolChoice } from '../models/model-port.js';
import { wrong } from './parameters.js';
import type { Parameters } from './parameters.js';

const LONGEST_TEXT = 4_000_000;
const MOST_TOOLS = 64;

/** A tool as a config names it: what its agent says of itself may be left out. */
export interface NamedTool {
  readonly name: string;
  readonly agent: string | undefined;
  readonly description: string | undefined;
  readonly inputSchema: JsonObject | undefined;
}

/** The conversation: `system`, then `messages` or `prompt`. */
export function messagesOf(parameters: Parameters): ModelMessage[] {
  const system = parameters.text('system', { maxLength: LONGEST_TEXT });
  const prompt = parameters.raw('prompt');
  const listed = parameters.list('messages');
  if ((prompt === undefined) === (listed === undefined)) {
    throw wrong('prompt', 'or "messages" has to be there, and not both');
  }
  const messages: ModelMessage[] = system === undefined || system === '' ? [] : [{ role: 'system', content: system }];
  if (prompt !== undefined) {
    messages.push({ role: 'user', content: typeof prompt === 'string' ? prompt : JSON.stringify(prompt) });
  }
  for (const [index, message] of (listed ?? []).entries()) messages.push(messageOf(message, index));
  if (!messages.some(({ role }) => role !== 'system')) throw wrong('messages', 'has nothing to answer');
  return messages;
}

function messageOf(value: JsonValue, index: number): ModelMessage {
  const no = (expectation: string): Error => wrong('messages', `has an entry ${index} that ${expectation}`);
  if (!isObject(value)) throw no('is no object');
  const { role, content = '' } = value;
  if (role === 'tool') {
    const { tool_call_id: toolCallId, name, is_error: failed } = value;
    if (typeof toolCallId !== 'string' || typeof name !== 'string') throw no('has no tool_call_id or no name');
    return { role, toolCallId, name, content, failed: failed === true };
  }
  if (typeof content !== 'string') throw no('has a content that is no text');
  if (role === 'system' || role === 'user') return { role, content };
  if (role !== 'assistant') throw no('has a role other than system, user, assistant and tool');
  const calls = value['tool_calls'] ?? [];
  if (!Array.isArray(calls)) throw no('has tool_calls that are no list');
  const toolCalls = calls.map((call) => {
    const { id, name, input = {} } = isObject(call) ? call : {};
    if (typeof id !== 'string' || typeof name !== 'string') throw no('has a tool call without id or name');
    return { id, name, input };
  });
  return { role, content, toolCalls };
}

export function toolsOf(parameters: Parameters): NamedTool[] {
  const listed = parameters.list('tools') ?? [];
  if (listed.length > MOST_TOOLS) throw wrong('tools', `must have at most ${MOST_TOOLS} entries`);
  const names = new Set<string>();
  return listed.map((tool) => {
    const { name, agent, description, input_schema: inputSchema } = isObject(tool) ? tool : {};
    if (typeof name !== 'string' || !/^[A-Za-z0-9_-]{1,64}$/.test(name)) throw wrong('tools', 'has one without a name');
    if (names.has(name)) throw wrong('tools', `names "${name}" twice`);
    names.add(name);
    if (inputSchema !== undefined && !isObject(inputSchema)) throw wrong('tools', `has no schema for "${name}"`);
    return {
      name,
      agent: typeof agent === 'string' ? agent : undefined,
      description: typeof description === 'string' ? description : undefined,
      inputSchema,
    };
  });
}

export function toolChoiceOf(parameters: Parameters, tools: readonly NamedTool[]): ToolChoice | undefined {
  const choice = parameters.text('tool_choice', { maxLength: 64 });
  if (choice === undefined || choice === 'auto' || choice === 'none' || choice === 'required') return choice;
  if (!tools.some(({ name }) => name === choice)) {
    throw wrong('tool_choice', 'must be auto, none, required or the name of a tool');
  }
  return { tool: choice };
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
