import type { Llm, LlmTool, ToolApproval } from '../../config.js';
import { HAND_OVER } from '../../codes.js';
import { lifetime, milliseconds } from '../limits.js';
import { anyJson, anyObject, flag, list, objectOf, text, use, whole, word } from '../schema.js';
import { REPEATS_NOT } from './kind.js';
import type { KindField } from './kind.js';

const llmTool = objectOf<Required<LlmTool>>(
  'What the model may call.',
  {
    name: use('Token', 'The tool, as the model knows it.'),
    agent: use('Token', 'The agent that runs it; one of `agent`, `config` and `finish` is required.'),
    config: use('Name', 'In place of an agent: name or id of a config, of which each call is an execution.'),
    config_version: whole('Its version; default: the newest when it is called.', 1, 2_147_483_647),
    description: text('Its description for the model; default: the description of the agent or config.', 1, 10_000),
    input_schema: anyObject('JSON Schema of its input; default: that of the agent or config.'),
    finish: flag('Calling it ends the step, and its input is the output.', false),
    timeout_ms: milliseconds('Milliseconds for one attempt of a call; default: the step’s.'),
    retry: use('Retry', 'When a call is tried again.'),
    parallel: whole('Calls that run at once.', 1, 8, 4),
    max_result_bytes: whole('Bytes of a result that the model is given.', 100, 1_048_576, 65_536),
    approval: use('ToolApproval', 'A human decides about a call before it is made.'),
    hand_over: word(
      'Calling it ends the step with what the agent or config gives. It is handed `none` of the conversation, the `last` message of the user, the `dialogue` without calls of tools, or `all`.',
      HAND_OVER,
    ),
  },
  ['name'],
);

const toolApproval = objectOf<Required<ToolApproval>>('A human decides about calls of a tool.', {
  when: use(
    'Expression',
    'JSONata, which also sees `call` with `tool` and `input`. Only calls for which it is true are asked about.',
  ),
  message: text('The question to the approver. The tool and its input are shown beside it.', 1, 4_096),
  approvers: list('The users who may decide; absent when every operator may.', use('Name', 'The id of a user.'), {
    min: 1,
    max: 1_000,
  }),
  timeout_ms: lifetime('Milliseconds to decide in.'),
  on_timeout: word('The decision when that time has passed.', ['reject', 'approve'], 'reject'),
});

const llm = objectOf<Required<Llm>>(
  'A model is asked, and what it wants called is called.',
  {
    model: use('Token', 'Name of one of the tenant’s models.'),
    system: text('The system prompt: a text, or one expression `{% … %}`.', 1, 1_000_000),
    prompt: anyJson('The prompt: a text or a mapping.'),
    messages: anyJson('In place of `prompt`: an earlier conversation.'),
    tools: list('The tools that it may call.', use('LlmTool', 'One tool.'), { max: 32 }),
    output_schema: anyObject('JSON Schema of the answer, which then is the output.'),
    max_turns: whole('Answers of the model.', 1, 200, 10),
    on_max_turns: word(
      '`fail`: the step fails; `answer`: the last turn has no tools, so that the model answers.',
      ['fail', 'answer'],
      'fail',
    ),
    max_repairs: whole('Answers in a row that do not fit `output_schema` and go back to the model.', 0, 10, 2),
    max_output_tokens: whole('Most tokens of one answer.', 1, 100_000_000),
    temperature: { description: 'The sampling temperature.', type: 'number', minimum: 0, maximum: 2 },
    tool_choice: use('Token', '`auto`, `none`, `required`, or the name of a tool.'),
  },
  ['model'],
);

export const llmDefinitions = { Llm: llm, LlmTool: llmTool, ToolApproval: toolApproval } as const;

export const llmField: KindField = {
  description: 'In place of an agent: a model is asked, and the tools that it requests are called.',
  called: 'an llm',
  mappings: ['system', 'prompt', 'messages'],
  without: {
    input: 'the model is given llm.prompt or llm.messages',
    heartbeat_ms: 'a model gives no sign of life before its answer; timeout_ms is the time for one call',
    repeat: REPEATS_NOT,
  },
};
