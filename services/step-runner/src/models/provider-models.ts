import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError } from '@ai-sdk/provider';
import type {
  JSONObject,
  JSONValue,
  LanguageModelV3,
  LanguageModelV3CallOptions,
  LanguageModelV3Message,
} from '@ai-sdk/provider';
import { FAILURE_CODES } from '@batuta/contracts';
import type { Model } from '@batuta/contracts';
import { RetryableError, TerminalError } from '@batuta/worker';
import { providerFailure } from './provider-failure.js';
import type { AskModel, ModelMessage, ModelRequest } from './model-port.js';

/** Instead of a provider's default: without it, the adapter would look for a key in this process's environment. */
const NO_KEY = 'none';

/** Asks a provider's model through its adapter. `send` makes the HTTP call. */
export function providerModel(model: Model, apiKey: string | undefined, send: typeof fetch): AskModel {
  const language = languageModel(model, apiKey, send);
  return async (request) => {
    const options = callOptions(request);
    let result;
    try {
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
        ...(key === undefined ? {} : { apiKey: key }),
      })(model);
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
