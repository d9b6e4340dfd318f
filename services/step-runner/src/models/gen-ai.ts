import type { JsonValue, Model } from '@batuta/contracts';
import { distributions } from '@batuta/observability';
import type { Distribution } from '@batuta/observability';
import type { ModelAnswer, ModelMessage, ModelRequest } from './model-port.js';

/** Attributes of a span. */
type CallAttributes = Readonly<Record<string, string | number | readonly string[]>>;

/** Bucket bounds that the conventions recommend. */
const TOKEN_BUCKETS = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216];
const SECOND_BUCKETS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
/** Tenants choose the names of models. Further names count as `other`. */
const MOST_MODELS = 200;

let tokensOf: ((...labels: string[]) => Distribution) | undefined;
let secondsOf: ((...labels: string[]) => Distribution) | undefined;

/** Creates the metrics, so that a runner shows them before its first call of a model. */
export function prepareModelMetrics(): void {
  tokensOf ??= distributions(
    'gen_ai_client_token_usage',
    'Tokens of calls of models, by type',
    ['gen_ai_provider_name', 'gen_ai_request_model', 'gen_ai_token_type'],
    TOKEN_BUCKETS,
    2 * MOST_MODELS,
  );
  secondsOf ??= distributions(
    'gen_ai_client_operation_duration_seconds',
    'Time of calls of models, by how they ended',
    ['gen_ai_provider_name', 'gen_ai_request_model', 'error_type'],
    SECOND_BUCKETS,
    2 * MOST_MODELS,
  );
}

/** Counts a call of a model. `error` is the code of its failure. */
export function countCall(
  { provider, model }: Model,
  seconds: number,
  answer?: Pick<ModelAnswer, 'inputTokens' | 'outputTokens'>,
  error = '',
): void {
  prepareModelMetrics();
  secondsOf?.(provider, model, error).observe(seconds);
  if (answer === undefined) return;
  tokensOf?.(provider, model, 'input').observe(answer.inputTokens);
  tokensOf?.(provider, model, 'output').observe(answer.outputTokens);
}

/**
 * Attributes of a call before its answer, by the OpenTelemetry conventions for generative AI
 * (https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/). With `content` they include the prompt.
 */
export function requestAttributes(
  { provider, model }: Model,
  request: ModelRequest,
  conversationId: string,
  content: boolean,
): CallAttributes {
  const { maxOutputTokens, temperature, outputSchema, messages } = request;
  const system = messages.filter(({ role }) => role === 'system');
  return {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': provider,
    'gen_ai.request.model': model,
    'gen_ai.conversation.id': conversationId,
    'gen_ai.output.type': outputSchema === undefined ? 'text' : 'json',
    ...(maxOutputTokens === undefined ? {} : { 'gen_ai.request.max_tokens': maxOutputTokens }),
    ...(temperature === undefined ? {} : { 'gen_ai.request.temperature': temperature }),
    ...(content
      ? {
          ...(system.length === 0
            ? {}
            : { 'gen_ai.system_instructions': JSON.stringify(system.map((message) => textPart(textOf(message)))) }),
          'gen_ai.input.messages': JSON.stringify(messages.filter(({ role }) => role !== 'system').map(messageOf)),
        }
      : {}),
  };
}

/** Attributes of an answer. With `content` they include its text and calls. */
export function answerAttributes(answer: ModelAnswer, content: boolean): CallAttributes {
  const { text, toolCalls, finishReason, modelId, inputTokens, cachedTokens, outputTokens } = answer;
  const parts = [
    ...(text === '' ? [] : [textPart(text)]),
    ...toolCalls.map(({ id, name, input }) => ({ type: 'tool_call', id, name, arguments: input })),
  ];
  return {
    'gen_ai.response.model': modelId,
    'gen_ai.response.finish_reasons': [finishReason],
    'gen_ai.usage.input_tokens': inputTokens,
    'gen_ai.usage.output_tokens': outputTokens,
    ...(cachedTokens === 0 ? {} : { 'gen_ai.usage.cache_read.input_tokens': cachedTokens }),
    ...(content
      ? { 'gen_ai.output.messages': JSON.stringify([{ role: 'assistant', parts, finish_reason: finishReason }]) }
      : {}),
  };
}

const textPart = (content: string) => ({ type: 'text', content });

const textOf = (message: ModelMessage): string => (typeof message.content === 'string' ? message.content : '');

function messageOf(message: ModelMessage): { role: string; parts: readonly Readonly<Record<string, JsonValue>>[] } {
  const { role } = message;
  if (role === 'tool') {
    return { role, parts: [{ type: 'tool_call_response', id: message.toolCallId, response: message.content }] };
  }
  const calls =
    role === 'assistant'
      ? message.toolCalls.map(({ id, name, input }) => ({ type: 'tool_call', id, name, arguments: input }))
      : [];
  return { role, parts: [...(message.content === '' ? [] : [textPart(message.content)]), ...calls] };
}
