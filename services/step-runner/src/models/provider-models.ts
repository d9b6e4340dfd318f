import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError } from '@ai-sdk/provider';
import type {
  JSONObject,
  EmbeddingModelV3,
  JSONValue,
  LanguageModelV3,
  LanguageModelV3CallOptions,
  LanguageModelV3Message,
  LanguageModelV3StreamPart,
} from '@ai-sdk/provider';
import { FAILURE_CODES } from '@batuta/contracts';
import type { Model } from '@batuta/contracts';
import { RetryableError, TerminalError } from '@batuta/worker';
import { providerFailure } from './provider-failure.js';
import type { AskModel, Embed, ModelAnswer, ModelMessage, ModelPiece, ModelRequest } from './model-port.js';

/** Instead of a provider's default: without it, the adapter would look for a key in this process's environment. */
const NO_KEY = 'none';
/** What a model says in all: text, reasoning and the input of calls. */
const LARGEST_SAID = 4 * 1024 * 1024;

/** Asks a provider's model through its adapter. `send` makes the HTTP call. */
export function providerModel(model: Model, apiKey: string | undefined, send: typeof fetch): AskModel {
  const language = languageModel(model, apiKey, send);
  return async (request) => {
    const options = callOptions(request);
    let result;
    try {
      if (request.show !== undefined) return await streamed(language, options, model, request.show);
      result = await language.doGenerate(options);
    } catch (error) {
      request.signal.throwIfAborted();
      throw failureOfCall(error, model);
    }
    const { content, finishReason, usage, response } = result;
    return {
      text: content.map((part) => (part.type === 'text' ? part.text : '')).join(''),
      toolCalls: content.flatMap((part) =>
        part.type === 'tool-call' && part.providerExecuted !== true
          ? [{ id: part.toolCallId, name: part.toolName, input: part.input }]
          : [],
      ),
      finishReason: finishReason.unified,
      modelId: response?.modelId ?? model.model,
      inputTokens: usage.inputTokens.total ?? 0,
      cachedTokens: usage.inputTokens.cacheRead ?? 0,
      outputTokens: usage.outputTokens.total ?? 0,
    };
  };
}

/** An answer that is shown as it comes. An answer without an end is none: what was shown of it is void. */
async function streamed(
  language: LanguageModelV3,
  options: LanguageModelV3CallOptions,
  model: Model,
  show: (piece: ModelPiece) => void,
): Promise<ModelAnswer> {
  const { stream } = await language.doStream(options);
  let text = '';
  let said = 0;
  let modelId = model.model;
  const toolCalls: ModelAnswer['toolCalls'][number][] = [];
  const names = new Map<string, string>();
  let ending: Extract<LanguageModelV3StreamPart, { type: 'finish' }> | undefined;
  const piece = (shown: ModelPiece): void => {
    said += Buffer.byteLength(shown.text);
    if (said > LARGEST_SAID) {
      const message = `The answer of the model "${model.name}" is stopped: it has more than ${LARGEST_SAID} bytes.`;
      throw new TerminalError('response_too_large', message);
    }
    show(shown);
  };
  // Leaving the loop cancels the stream, and with it the call.
  for await (const part of stream) {
    switch (part.type) {
      case 'text-delta':
        text += part.delta;
        piece({ kind: 'text', text: part.delta });
        break;
      case 'reasoning-delta':
        piece({ kind: 'reasoning', text: part.delta });
        break;
      case 'tool-input-start':
        if (part.providerExecuted !== true) names.set(part.id, part.toolName);
        break;
      case 'tool-input-delta': {
        const name = names.get(part.id);
        if (name !== undefined) piece({ kind: 'tool_call', text: part.delta, id: part.id, name });
        break;
      }
      case 'tool-call':
        if (part.providerExecuted === true) break;
        toolCalls.push({ id: part.toolCallId, name: part.toolName, input: part.input });
        break;
      case 'response-metadata':
        modelId = part.modelId ?? modelId;
        break;
      case 'error':
        throw brokenStream(part.error, model);
      case 'finish':
        ending = part;
        break;
      default:
    }
  }
  // Adapters end what broke off with a reason of their own.
  if (ending === undefined || (ending.finishReason.raw ?? '') === '') {
    const message = `The answer of the model "${model.name}" broke off before its end.`;
    throw new RetryableError(FAILURE_CODES.modelAnswerInvalid, message);
  }
  const { finishReason, usage } = ending;
  return {
    text,
    toolCalls,
    finishReason: finishReason.unified,
    modelId,
    inputTokens: usage.inputTokens.total ?? 0,
    cachedTokens: usage.inputTokens.cacheRead ?? 0,
    outputTokens: usage.outputTokens.total ?? 0,
  };
}

/** What a provider says in the middle of an answer: it has begun, so another attempt may well succeed. */
function brokenStream(error: unknown, model: Model): Error {
  const known = failureOfCall(error, model);
  if (known instanceof TerminalError || (known instanceof RetryableError && APICallError.isInstance(error))) {
    return known;
  }
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof RetryableError) return cause;
  }
  const { message, type } = (typeof error === 'object' && error !== null ? error : {}) as {
    message?: unknown;
    type?: unknown;
  };
  const reason =
    typeof message === 'string'
      ? message
      : typeof error === 'string'
        ? error
        : typeof type === 'string'
          ? type
          : 'an error';
  const text = `The provider of the model "${model.name}" ended its answer with an error: ${reason.slice(0, 300)}.`;
  return new RetryableError(FAILURE_CODES.modelUnavailable, text, { cause: error });
}

function languageModel(
  { provider, model, baseUrl }: Model,
  key: string | undefined,
  send: typeof fetch,
): LanguageModelV3 {
  const apiKey = key ?? NO_KEY;
  const at = baseUrl === undefined ? {} : { baseURL: baseUrl };
  switch (provider) {
    case 'openai':
      return createOpenAI({ apiKey, fetch: send, baseURL: 'https://api.openai.com/v1', ...at }).chat(model);
    case 'anthropic':
      return createAnthropic({ apiKey, fetch: send, baseURL: 'https://api.anthropic.com/v1', ...at })(model);
    case 'openai_compatible':
      return createOpenAICompatible({
        name: 'model',
        baseURL: baseUrl ?? '',
        fetch: send,
        supportsStructuredOutputs: true,
        // Tokens of an answer that comes in pieces are only told to who asks.
        includeUsage: true,
        ...(key === undefined ? {} : { apiKey: key }),
      })(model);
    default:
      return provider satisfies never;
  }
}

/** Makes embeddings by a provider's model. `send` makes the HTTP call. */
export function providerEmbeddings(model: Model, apiKey: string | undefined, send: typeof fetch): Embed {
  const embedding = embeddingModel(model, apiKey, send);
  return async (texts, signal) => {
    let result;
    try {
      result = await embedding.doEmbed({ values: [...texts], abortSignal: signal });
    } catch (error) {
      signal.throwIfAborted();
      throw failureOfCall(error, model);
    }
    const { embeddings: vectors, usage } = result;
    if (vectors.length !== texts.length || vectors.some((vector) => vector.length !== vectors[0]?.length)) {
      const message = `The model "${model.name}" gave ${vectors.length} embeddings for ${texts.length} texts, or embeddings of several lengths.`;
      throw new RetryableError(FAILURE_CODES.modelAnswerInvalid, message);
    }
    return { vectors, inputTokens: usage?.tokens ?? 0 };
  };
}

function embeddingModel(
  { name, provider, model, baseUrl }: Model,
  key: string | undefined,
  send: typeof fetch,
): EmbeddingModelV3 {
  const at = baseUrl === undefined ? {} : { baseURL: baseUrl };
  switch (provider) {
    case 'openai':
      return createOpenAI({
        apiKey: key ?? NO_KEY,
        fetch: send,
        baseURL: 'https://api.openai.com/v1',
        ...at,
      }).embeddingModel(model);
    case 'anthropic':
      throw new TerminalError(
        FAILURE_CODES.modelRefused,
        `The model "${name}" is of the provider anthropic, which makes no embeddings.`,
      );
    case 'openai_compatible':
      return createOpenAICompatible({
        name: 'model',
        baseURL: baseUrl ?? '',
        fetch: send,
        ...(key === undefined ? {} : { apiKey: key }),
      }).embeddingModel(model);
    default:
      return provider satisfies never;
  }
}

function callOptions(request: ModelRequest): LanguageModelV3CallOptions {
  const { messages, tools, toolChoice, outputSchema, maxOutputTokens, temperature, signal } = request;
  return {
    prompt: messages.map(promptMessage),
    abortSignal: signal,
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(tools.length === 0
      ? {}
      : {
          tools: tools.map(({ name, description, inputSchema }) => ({
            type: 'function',
            name,
            ...(description === '' ? {} : { description }),
            inputSchema: inputSchema as JSONObject,
          })),
          ...(toolChoice === undefined
            ? {}
            : {
                toolChoice:
                  typeof toolChoice === 'object' ? { type: 'tool', toolName: toolChoice.tool } : { type: toolChoice },
              }),
        }),
    ...(outputSchema === undefined
      ? {}
      : {
          responseFormat: { type: 'json', name: 'answer', schema: outputSchema as JSONObject },
          // A schema does not need to be closed here, because the answer is checked anyway.
          providerOptions: { openai: { strictJsonSchema: false }, model: { strictJsonSchema: false } },
        }),
  };
}

function promptMessage(message: ModelMessage): LanguageModelV3Message {
  switch (message.role) {
    case 'system':
      return { role: 'system', content: message.content };
    case 'user':
      return { role: 'user', content: [{ type: 'text', text: message.content }] };
    case 'assistant':
      return {
        role: 'assistant',
        content: [
          ...(message.content === '' ? [] : [{ type: 'text' as const, text: message.content }]),
          ...message.toolCalls.map(({ id, name, input }) => ({
            type: 'tool-call' as const,
            toolCallId: id,
            toolName: name,
            input,
          })),
        ],
      };
    case 'tool':
      return { role: 'tool', content: [toolResult(message)] };
    default:
      return message satisfies never;
  }
}

function toolResult({ toolCallId, name, content, failed }: Extract<ModelMessage, { role: 'tool' }>) {
  const type = typeof content === 'string' ? (failed ? 'error-text' : 'text') : failed ? 'error-json' : 'json';
  const output =
    typeof content === 'string'
      ? { type: type as 'text' | 'error-text', value: content }
      : { type: type as 'json' | 'error-json', value: content as JSONValue };
  return { type: 'tool-result' as const, toolCallId, toolName: name, output };
}

/** Converts an adapter's error to an agent's error. */
function failureOfCall(error: unknown, model: Model): Error {
  // The HTTP call throws agents' errors already, but some adapters wrap them in their own.
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof RetryableError || cause instanceof TerminalError) return cause;
  }
  if (APICallError.isInstance(error) && error.statusCode !== undefined && error.statusCode >= 400) {
    const { statusCode, responseHeaders = {}, responseBody = '' } = error;
    return providerFailure(model, statusCode, responseHeaders, responseBody);
  }
  const reason = error instanceof Error ? error.message : String(error);
  const message = `The answer of the model "${model.name}" cannot be read: ${reason.slice(0, 300)}.`;
  return new RetryableError(FAILURE_CODES.modelAnswerInvalid, message, { cause: error });
}
