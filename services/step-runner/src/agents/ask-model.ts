import { FAILURE_CODES, secretNames, operations } from '@batuta/contracts';
import type {
  AgentReply,
  GetVersionReply,
  JsonObject,
  JsonValue,
  Model,
  ModelReply,
  OrchestrationDefinition,
  ResolveConfigReply,
} from '@batuta/contracts';
import type { ControlClient } from '@batuta/messaging';
import type { GuardedClient } from '@batuta/outbound-http';
import type { Sandbox } from '@batuta/sandbox';
import { answerAttributes, countCall, prepareModelMetrics, requestAttributes } from '../models/gen-ai.js';
import { guardedFetch } from '../models/guarded-fetch.js';
import type { ModelAnswer, ModelPiece, ModelRequest, ModelTool } from '../models/model-port.js';
import { contextTokens, costOf, pricesOf } from '../models/prices.js';
import type { TokenPrices } from '../models/prices.js';
import { providerModel } from '../models/provider-models.js';
import { defineAgent, RetryableError, TerminalError } from '@batuta/worker';
import type { Agent, PlatformContext } from '@batuta/worker';
import { askModelInput, messagesOf, toolChoiceOf, toolsOf } from './model-input.js';
import type { NamedTool } from './model-input.js';
import { ask, refusalError } from './rag-handler.js';

const SCHEMA_CHECK_MS = 2_000;
/** How many violations a model or a person is shown. */
const MOST_VIOLATIONS = 10;
/** For an estimate from bytes: in no language are a model's tokens longer on average. */
export const BYTES_A_TOKEN = 3;
const TOKENS_A_MESSAGE = 8;

interface AskModelOptions {
  readonly control: ControlClient;
  readonly client: GuardedClient;
  readonly sandbox: Sandbox;
  /** Whether spans contain prompts and answers of models. */
  readonly tracesContent: boolean;
  /** An answer of which nothing more has come for so long has stalled, milliseconds. */
  readonly idleMs: number;
}

const output = {
  type: 'object',
  required: ['text', 'finish_reason', 'model', 'price'],
  properties: {
    text: { type: 'string', description: 'the answer' },
    output: { description: 'the answer as JSON, when `output_schema` is given' },
    problem: { type: 'string', description: 'why the answer does not fit `output_schema`' },
    tool_calls: {
      type: 'array',
      items: { type: 'object' },
      description:
        'what the model wants called: `id`, `name`, `input`, and `problem` when the tool is not there or its input does not fit',
    },
    finish_reason: { type: 'string', description: 'why the answer ended' },
    model: {
      type: 'object',
      description: '`name`, `provider`, the `id` that answered, and the `revision` of the model',
    },
    price: { description: 'by which price the call was settled; null without one' },
  },
} as const;

export function askModelAgent({
  control,
  client,
  sandbox,
  tracesContent,
  idleMs,
}: AskModelOptions): Agent<PlatformContext> {
  prepareModelMetrics();
  return defineAgent(
    'ask_model',
    {
      description:
        "Asks one of the tenant's models once. What the model wants called is in the output; nothing is called.",
      input: askModelInput,
      output,
    },
    async (parameters, context: PlatformContext) => {
      const { model: name, output_schema: outputSchema, on_invalid: reports = 'fail' } = parameters;
      const messages = messagesOf(parameters);
      const named = toolsOf(parameters);
      const [model, tools] = await Promise.all([
        modelOf(control, name, context),
        Promise.all(named.map((tool) => toolOf(control, tool, context))),
      ]);
      const most = parameters.max_output_tokens ?? model.maxOutputTokens;
      const request = {
        messages,
        tools,
        toolChoice: toolChoiceOf(parameters, named),
        outputSchema,
        temperature: parameters.temperature ?? model.temperature,
        signal: context.signal,
        show: (parameters.stream ?? model.stream) === true ? shownBy(context) : undefined,
      };
      const prices = pricesOf(model);
      const maxOutputTokens = withinLimits(model, prices, estimate(request), most, parameters.budget);
      const apiKey = await keyOf(model, context);
      const answer = await asked(model, apiKey, { ...request, maxOutputTokens }, client, context, {
        tracesContent,
        idleMs,
      });
      const spent = spentOn(answer, prices);
      const toolCalls = await Promise.all(answer.toolCalls.map((call) => checkedCall(sandbox, context, tools, call)));
      const structured =
        outputSchema === undefined || toolCalls.length > 0
          ? {}
          : await structuredOutput(sandbox, context, outputSchema, answer);
      if (reports === 'fail' && structured.problem !== undefined) {
        throw new RetryableError(
          FAILURE_CODES.modelAnswerInvalid,
          `The answer of the model "${name}" does not fit output_schema: ${structured.problem}`,
          { details: { ...spent, finish_reason: answer.finishReason } },
        );
      }
      const { output, problem } = structured;
      return {
        text: answer.text,
        ...(output === undefined ? {} : { output }),
        ...(problem === undefined ? {} : { problem }),
        ...(toolCalls.length === 0 ? {} : { tool_calls: toolCalls }),
        finish_reason: answer.finishReason,
        model: { name, provider: model.provider, id: answer.modelId, revision: model.revision },
        price: prices?.source ?? null,
        ...spent,
      };
    },
  );
}

/** Shows what a model says to those who follow the step. */
function shownBy({ output: show }: PlatformContext): (piece: ModelPiece) => void {
  return ({ text, ...piece }) => show(text, piece);
}

async function asked(
  model: Model,
  apiKey: string | undefined,
  request: ModelRequest,
  client: GuardedClient,
  context: PlatformContext,
  { tracesContent, idleMs }: Pick<AskModelOptions, 'tracesContent' | 'idleMs'>,
): Promise<ModelAnswer> {
  const attributes = requestAttributes(model, request, context.executionId, tracesContent);
  const call = context.beginCall(`chat ${model.model}`, attributes);
  const since = performance.now();
  const seconds = (): number => (performance.now() - since) / 1_000;
  try {
    const answer = await providerModel(
      model,
      apiKey,
      guardedFetch(client, context, { streams: request.show !== undefined, idleMs }),
    )(request);
    countCall(model, seconds(), answer);
    call.end(answerAttributes(answer, tracesContent));
    return answer;
  } catch (error) {
    const known = error instanceof RetryableError || error instanceof TerminalError;
    const code = known ? error.code : 'error';
    countCall(model, seconds(), undefined, code);
    call.end({}, code);
    throw error;
  }
}

export async function modelOf(control: ControlClient, name: string, context: PlatformContext): Promise<Model> {
  const request = { tenantId: context.tenantId, name };
  const { model, refused } = await ask<ModelReply>(control, operations.models.get.subject, request, context);
  if (model !== undefined) return model;
  if (refused !== undefined && refused.code !== 'not_found') throw refusalError(refused);
  const message = `There is no model "${name}". An admin makes it with PUT /api/v1/models/${name}.`;
  throw new TerminalError(FAILURE_CODES.modelUnknown, message);
}

/** A tool, with its agent's own description and schema when the config does not set them. */
async function toolOf(control: ControlClient, tool: NamedTool, context: PlatformContext): Promise<ModelTool> {
  const { name, agent, config } = tool;
  let { description, inputSchema } = tool;
  if (agent !== undefined && (description === undefined || inputSchema === undefined)) {
    const request = { tenantId: context.tenantId, name: agent };
    const reply = await ask<AgentReply>(control, operations.agents.get.subject, request, context);
    description ??= reply.agent?.description;
    inputSchema ??= objectSchema(reply.agent?.inputSchema);
  }
  if (config !== undefined && (description === undefined || inputSchema === undefined)) {
    const definition = await definitionOf(control, config, context);
    description ??= definition?.description;
    inputSchema ??= objectSchema(definition?.input_schema);
  }
  return { name, description: description ?? '', inputSchema: inputSchema ?? { type: 'object' } };
}

/** The newest version of a config that the tenant may run; undefined when it has none, which a call will say. */
async function definitionOf(
  control: ControlClient,
  config: string,
  context: PlatformContext,
): Promise<OrchestrationDefinition | undefined> {
  const asked = { tenantId: context.tenantId, id: config };
  const found = await ask<ResolveConfigReply>(control, operations.configs.resolve.subject, asked, context);
  const { configId, version } = found;
  if (configId === undefined || version === undefined) return undefined;
  const request = { configId, version };
  const reply = await ask<GetVersionReply>(control, operations.configs.definition.subject, request, context);
  return reply.definition;
}

/** A schema that a model can be told: one of an object. */
function objectSchema(schema: JsonValue | undefined): JsonObject | undefined {
  return typeof schema === 'object' && schema !== null && !Array.isArray(schema) ? schema : undefined;
}

export async function keyOf({ apiKey, name }: Model, context: PlatformContext): Promise<string | undefined> {
  const [secret] = secretNames(apiKey ?? '');
  if (secret === undefined) return undefined;
  const key = (await context.useSecrets([secret])).get(secret);
  if (key === undefined) throw new Error(`the key of the model "${name}" was not resolved`);
  return key;
}

function estimate({
  messages,
  tools,
  outputSchema,
}: Pick<ModelRequest, 'messages' | 'tools' | 'outputSchema'>): number {
  const bytes = Buffer.byteLength(JSON.stringify([messages, tools, outputSchema ?? null]));
  return Math.ceil(bytes / BYTES_A_TOKEN) + messages.length * TOKENS_A_MESSAGE;
}

/**
 * The limit of the answer's tokens, so that the call stays within its budget. Throws when the call cannot stay within
 * it.
 */
function withinLimits(
  model: Model,
  prices: TokenPrices | undefined,
  inputTokens: number,
  most: number | undefined,
  budget: JsonObject | undefined,
): number | undefined {
  const context = contextTokens(model);
  if (context !== undefined && inputTokens >= context * ESTIMATE_TOLERANCE) {
    const details = { estimated_tokens: inputTokens, context_tokens: context };
    const message = `About ${inputTokens} tokens do not fit the model "${model.name}", which takes ${context}.`;
    throw new TerminalError(FAILURE_CODES.contextTooLong, message, { details });
  }
  const { tokens, cost } = budget ?? {};
  let left = Number.POSITIVE_INFINITY;
  if (typeof tokens === 'number') left = Math.min(left, tokens - inputTokens);
  if (typeof cost === 'number') {
    if (prices === undefined) {
      const message = `The execution has a budget of money, and the model "${model.name}" has no price that is known. Set its prices.`;
      throw new TerminalError('price_unknown', message);
    }
    const forOutput = cost - inputTokens * prices.input;
    left = Math.min(left, prices.output > 0 ? Math.floor(forOutput / prices.output) : forOutput < 0 ? 0 : left);
  }
  if (left < 1) {
    const details = { estimated_tokens: inputTokens, ...budget };
    const message = `A call with about ${inputTokens} input tokens does not fit what the budget leaves for it.`;
    throw new TerminalError(FAILURE_CODES.budgetTooSmall, message, { details });
  }
  return Number.isFinite(left) ? Math.min(left, most ?? left) : most;
}

/** A too high estimate up to this factor is still sent, because the provider decides. */
const ESTIMATE_TOLERANCE = 2;

/** The cost of a call in the form that agents report. Without a price there is no cost. */
function spentOn(answer: ModelAnswer, prices: TokenPrices | undefined): JsonObject {
  const { inputTokens, outputTokens } = answer;
  return {
    _tokens: { input: inputTokens, output: outputTokens },
    ...(prices === undefined ? {} : { _cost: costOf(prices, answer) }),
  };
}

/** A call that a model requests: with its input, or with the mistake in words that help the model to correct it. */
async function checkedCall(
  sandbox: Sandbox,
  context: PlatformContext,
  tools: readonly ModelTool[],
  call: ModelAnswer['toolCalls'][number],
): Promise<JsonObject> {
  const { id, name } = call;
  const tool = tools.find((each) => each.name === name);
  let input: JsonValue;
  try {
    input = call.input.trim() === '' ? {} : (JSON.parse(call.input) as JsonValue);
  } catch {
    return { id, name, input: call.input, problem: 'The input is not JSON.' };
  }
  if (tool === undefined) {
    const names = tools.map((each) => each.name).join(', ');
    const known = names === '' ? 'There are no tools.' : `There are: ${names}.`;
    return { id, name, input, problem: `There is no tool "${name}". ${known}` };
  }
  const problem = await schemaProblem(sandbox, context, tool.inputSchema, input);
  return { id, name, input, ...(problem === undefined ? {} : { problem: `The input does not fit: ${problem}` }) };
}

async function structuredOutput(
  sandbox: Sandbox,
  context: PlatformContext,
  schema: JsonObject,
  { text, finishReason }: ModelAnswer,
): Promise<{ output?: JsonValue; problem?: string }> {
  let output: JsonValue;
  try {
    output = JSON.parse(unfenced(text)) as JsonValue;
  } catch {
    return { problem: finishReason === 'length' ? 'it was cut off before its end.' : 'it is not JSON.' };
  }
  const problem = await schemaProblem(sandbox, context, schema, output);
  return problem === undefined ? { output } : { problem };
}

/** Many models put JSON into a Markdown fence, even when told not to. */
function unfenced(text: string): string {
  return /^\s*```(?:json)?\s*\n([\s\S]*?)\n?```\s*$/.exec(text)?.[1] ?? text;
}

async function schemaProblem(
  sandbox: Sandbox,
  { tenantId }: PlatformContext,
  schema: JsonObject,
  value: JsonValue,
): Promise<string | undefined> {
  const request = { schema, value, timeoutMs: SCHEMA_CHECK_MS, maxViolations: MOST_VIOLATIONS, tenantId };
  const checked = await sandbox.validateJson(request);
  if (!checked.ok) return `it cannot be checked (${checked.failure.message}).`;
  if (checked.violations.length === 0) return undefined;
  return `${checked.violations.map(({ path, message }) => `${path === '' ? 'it' : path} ${message}`).join('; ')}.`;
}
