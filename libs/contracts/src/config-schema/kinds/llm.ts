import type { Llm, LlmTool } from '../../config.js';
import { milliseconds } from '../limits.js';
import { anyJson, anyObject, flag, list, objectOf, text, use, whole, word } from '../schema.js';

export const llmTool = objectOf<Required<LlmTool>>(
  'What the model may call.',
  {
    name: use('Token', 'The tool, as the model knows it.'),
    agent: use('Token', 'Who does it; required unless it has `finish`.'),
    description: text('What the model is told of it; default: what the agent says of itself.', 1, 10_000),
    input_schema: anyObject('JSON Schema of its input; default: the agent’s.'),
    finish: flag('Calling it ends the step, and its input is the output.', false),
    timeout_ms: milliseconds('Milliseconds for one attempt of a call; default: the step’s.'),
    retry: use('Retry', 'When a call is tried again.'),
    parallel: whole('Calls that run at once.', 1, 8, 4),
    max_result_bytes: whole('Bytes of a result that the model is given.', 100, 1_048_576, 65_536),
  },
  ['name'],
);

export const llm = objectOf<Required<Llm>>(
  'A model is asked, and what it wants called is called.',
  {
    model: use('Token', 'Name of one of the tenant’s models.'),
    system: text('What the model is told before all else; a text, or one expression `{% … %}`.', 1, 1_000_000),
    prompt: anyJson('What it is asked: a text or a mapping.'),
    messages: anyJson('In place of `prompt`: a conversation so far.'),
    tools: list('What it may call.', use('LlmTool', 'One tool.'), { max: 32 }),
    output_schema: anyObject('JSON Schema of the answer, which then is the output.'),
    max_turns: whole('Answers of the model.', 1, 200, 10),
    on_max_turns: word(
      '`fail`: the step fails; `answer`: the last turn has no tools, so that the model answers.',
      ['fail', 'answer'],
      'fail',
    ),
    max_repairs: whole('Answers in a row that do not fit `output_schema` and go back to the model.', 0, 10, 2),
    max_output_tokens: whole('Most tokens of one answer.', 1, 100_000_000),
    temperature: { description: 'How much chance an answer has.', type: 'number', minimum: 0, maximum: 2 },
    tool_choice: use('Token', '`auto`, `none`, `required`, or the name of a tool.'),
  },
  ['model'],
);
