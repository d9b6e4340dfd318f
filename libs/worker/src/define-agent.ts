import { TOKEN } from '@batuta/contracts';
import type { JsonValue } from '@batuta/contracts';
import type { Agent, AgentContext } from './agent.js';
import { inputCheck } from './check-input.js';
import type { JsonOf, JsonSchema } from './json-schema.js';

/** The description of an agent. */
export interface AgentDefinition<Input, Output> {
  /** Its purpose, for people. */
  readonly description: string;
  /**
   * JSON Schema of the input. An invalid input fails with `input_invalid` before the handler is called. Default: any
   * JSON.
   */
  readonly input?: Input;
  /**
   * JSON Schema of the output. The engine checks the outputs of registered agents against it, without `_tokens` and
   * `_cost`.
   */
  readonly output?: Output;
  /** Shown in results. Default `1`. */
  readonly version?: string;
}

/**
 * The work of an agent. Returns the output, or a promise of it: JSON of at most 1 MiB. Throws `RetryableError` or
 * `TerminalError`. Any other error counts as retryable with the code `agent_error`. `whole` is the unchanged input,
 * including the fields that are null.
 */
export type Handler<Input, Output, Context> = (
  input: JsonOf<Input>,
  context: Context,
  whole: JsonValue,
) => Promise<JsonOf<Output, unknown, object>> | JsonOf<Output, unknown, object>;

/** Creates an agent from its definition and its handler. Throws a `TypeError` for an invalid name. */
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
