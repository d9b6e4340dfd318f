import type { JsonObject, JsonValue } from '@batuta/contracts';
import type { ModelMessage, ToolChoice } from '../models/model-port.js';
import { invalidInput } from '@batuta/worker';
import type { JsonOf } from '@batuta/worker';

const LONGEST_TEXT = 4_000_000;
const MOST_TOOLS = 64;

export const askModelInput = {
  type: 'object',
  required: ['model'],
  properties: {
    model: { type: 'string', maxLength: 64, description: 'name of the model' },
    system: { type: 'string', maxLength: LONGEST_TEXT, description: 'a text' },
    prompt: { description: 'a text; anything else is sent as JSON' },
    messages: {
      type: 'array',
      description:
        'instead of `prompt`: `{"role": "system" | "user" | "assistant" | "tool", "content"}`; an assistant\'s may have `tool_calls: [{"id", "name", "input"}]`, and a tool\'s has `tool_call_id` and `name`',
    },
    output_schema: {
      type: 'object',
      description: 'JSON Schema that the answer has to fit. The provider is told, and the answer is checked',
    },
    tools: {
      type: 'array',
      maxItems: MOST_TOOLS,
      description:
        '`[{"name", "agent", "config", "description", "input_schema"}]`: what may be called. Description and schema of a registered `agent`, or of a `config` in its place, need not be repeated',
    },
    tool_choice: { type: 'string', maxLength: 64, description: '`auto`, `none`, `required`, or the name of a tool' },
    max_output_tokens: {
      type: 'integer',
      minimum: 1,
      maximum: 100_000_000,
      description: "of the answer; default: the model's",
    },
    temperature: { type: 'number', minimum: 0, maximum: 2, description: "default: the model's" },
    on_invalid: {
      enum: ['fail', 'report'],
      default: 'fail',
      description:
        'an answer that does not fit `output_schema`: `fail` (another attempt may answer better) or `report` it as `problem`',
    },
    stream: {
      type: 'boolean',
      description: "whether the answer is shown as it comes; default: the model's",
    },
    budget: { type: 'object', description: '`tokens` and `cost` that the call may spend at most' },
  },
} as const;

type Parameters = JsonOf<typeof askModelInput>;

/** A tool as a config names it. The description and schema of its agent may be absent. */
export interface NamedTool {
  readonly name: string;
  readonly agent: string | undefined;
  /** In place of an agent: name or id of a config. */
  readonly config: string | undefined;
  readonly description: string | undefined;
  readonly inputSchema: JsonObject | undefined;
}

/** The conversation: `system`, then `messages` or `prompt`. */
export function messagesOf({ system, prompt = null, messages: listed }: Parameters): ModelMessage[] {
  if ((prompt === null) === (listed === undefined)) {
    throw invalidInput('prompt', 'or "messages" has to be there, and not both');
  }
  const messages: ModelMessage[] = system === undefined || system === '' ? [] : [{ role: 'system', content: system }];
  if (prompt !== null) {
    messages.push({ role: 'user', content: typeof prompt === 'string' ? prompt : JSON.stringify(prompt) });
  }
  for (const [index, message] of (listed ?? []).entries()) messages.push(messageOf(message, index));
  if (!messages.some(({ role }) => role !== 'system')) throw invalidInput('messages', 'has nothing to answer');
  return messages;
}

function messageOf(value: JsonValue, index: number): ModelMessage {
  const no = (expectation: string): Error => invalidInput('messages', `has an entry ${index} that ${expectation}`);
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

export function toolsOf({ tools: listed = [] }: Parameters): NamedTool[] {
  const names = new Set<string>();
  return listed.map((tool) => {
    const { name, agent, config, description, input_schema: inputSchema } = isObject(tool) ? tool : {};
    if (typeof name !== 'string' || !/^[A-Za-z0-9_-]{1,64}$/.test(name)) {
      throw invalidInput('tools', 'has one without a name');
    }
    if (names.has(name)) throw invalidInput('tools', `names "${name}" twice`);
    names.add(name);
    if (inputSchema !== undefined && !isObject(inputSchema)) throw invalidInput('tools', `has no schema for "${name}"`);
    return {
      name,
      agent: typeof agent === 'string' ? agent : undefined,
      config: typeof config === 'string' ? config : undefined,
      description: typeof description === 'string' ? description : undefined,
      inputSchema,
    };
  });
}

export function toolChoiceOf({ tool_choice: choice }: Parameters, tools: readonly NamedTool[]): ToolChoice | undefined {
  if (choice === undefined || choice === 'auto' || choice === 'none' || choice === 'required') return choice;
  if (!tools.some(({ name }) => name === choice)) {
    throw invalidInput('tool_choice', 'must be auto, none, required or the name of a tool');
  }
  return { tool: choice };
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
