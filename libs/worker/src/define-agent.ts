import { TOKEN } from '@batuta/contracts';
import type { JsonValue } from '@batuta/contracts';
import type { Agent, AgentContext } from './agent.js';
import { inputCheck } from './check-input.js';
import type { JsonOf, JsonSchema } from './json-schema.js';

/** What an agent says of itself. */
export interface AgentDefinition<Input, Output> {
  /** What it is for, for people. */
  readonly description: string;
  /** JSON Schema of the input. An input that does not fit fails with `input_invalid`, and the handler does not see it. Default: any JSON. */
  readonly input?: Input;
  /** JSON Schema of the output. The engine holds the outputs of registered agents against it, without `_tokens` and `_cost`. */
  readonly output?: Output;
  /** Stands in results. Default `1`. */
  readonly version?: string;
}

/**
 * One kind of work. Returns the output, or a promise of it: JSON of at most 1 MiB. Throws `RetryableError` or `TerminalError`; anything else
 * counts as retryable with the code `agent_error`. `whole` is the input as it came, with the fields that are null.
 */
export type Handler<Input, Output, Context> = (
  input: JsonOf<Input>,
  context: Context,
  whole: JsonValue,
) => Promise<JsonOf<Output, unknown, object>> | JsonOf<Output, unknown, object>;

/** An agent from its definition and what it does. Throws a `TypeError` for a name that no agent may have. */
export function defineAgent<
  const Input extends JsonSchema = JsonSchema,
  const Output extends JsonSchema = JsonSchema,
  Context extends AgentContext = AgentContext,
>(name: string, definition: AgentDefinition<Input, Output>, handler: Handler<Input, Output, Context>): Agent<Context> {
  if (!TOKEN.test(name)) {
    throw new TypeError(`"${name}" is no name of an agent: it has 1 to 64 letters, digits, "_" and "-".`);
  }
  const { description, version = '1', input: schema, output } = definition;
  const check = schema === undefined ? undefined : inputCheck(schema);
  return {
    name,
    version,
    description,
    ...(schema === undefined ? {} : { input: schema }),
    ...(output === undefined ? {} : { output }),
    run: (input, context) => handler((check === undefined ? input : check(input)) as JsonOf<Input>, context, input),
  };
}
