import { expect, it } from '@jest/globals';
import type { Model } from '@batuta/contracts';
import { exposeMetrics } from '@batuta/observability';
import { answerAttributes, countCall, prepareModelMetrics, requestAttributes } from './gen-ai.js';
import type { ModelAnswer, ModelRequest } from './model-port.js';

const model: Model = {
  name: 'writer',
  provider: 'openai',
  model: 'gpt-4o-mini',
  description: '',
  revision: 1,
  updatedAt: 0,
  tenantId: 'default',
};

const request: ModelRequest = {
  messages: [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Umbrella?' },
    { role: 'assistant', content: '', toolCalls: [{ id: 'c1', name: 'weather', input: { city: 'Porto' } }] },
    { role: 'tool', toolCallId: 'c1', name: 'weather', content: { sky: 'rain' }, failed: false },
  ],
  tools: [],
  toolChoice: undefined,
  outputSchema: undefined,
  maxOutputTokens: 100,
  temperature: 0.5,
  signal: new AbortController().signal,
  show: undefined,
};

const answer: ModelAnswer = {
  text: 'Take one.',
  toolCalls: [],
  finishReason: 'stop',
  modelId: 'gpt-4o-mini-2024-07-18',
  inputTokens: 40,
  cachedTokens: 8,
  outputTokens: 3,
};

it('keeps prompts and answers out of spans unless this is switched on', () => {
  const attributes = { ...requestAttributes(model, request, 'e1', false), ...answerAttributes(answer, false) };
  expect(attributes).toEqual({
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'openai',
    'gen_ai.request.model': 'gpt-4o-mini',
    'gen_ai.conversation.id': 'e1',
    'gen_ai.output.type': 'text',
    'gen_ai.request.max_tokens': 100,
    'gen_ai.request.temperature': 0.5,
    'gen_ai.response.model': 'gpt-4o-mini-2024-07-18',
    'gen_ai.response.finish_reasons': ['stop'],
    'gen_ai.usage.input_tokens': 40,
    'gen_ai.usage.output_tokens': 3,
    'gen_ai.usage.cache_read.input_tokens': 8,
  });
  expect(JSON.stringify(attributes)).not.toMatch(/Umbrella|brief|Porto|rain|Take one/);
});

it('has the messages in the form of the conventions when that is switched on', () => {
  const attributes = { ...requestAttributes(model, request, 'e1', true), ...answerAttributes(answer, true) };
  const json = (name: string): unknown => JSON.parse(String(attributes[name]));
  expect(json('gen_ai.system_instructions')).toEqual([{ type: 'text', content: 'Be brief.' }]);
  expect(json('gen_ai.input.messages')).toEqual([
    { role: 'user', parts: [{ type: 'text', content: 'Umbrella?' }] },
    { role: 'assistant', parts: [{ type: 'tool_call', id: 'c1', name: 'weather', arguments: { city: 'Porto' } }] },
    { role: 'tool', parts: [{ type: 'tool_call_response', id: 'c1', response: { sky: 'rain' } }] },
  ]);
  expect(json('gen_ai.output.messages')).toEqual([
    { role: 'assistant', parts: [{ type: 'text', content: 'Take one.' }], finish_reason: 'stop' },
  ]);
});

it('counts tokens and time of calls, by provider and model, and failures by their code', async () => {
  prepareModelMetrics();
  countCall(model, 0.5, answer);
  countCall(model, 2, undefined, 'model_rate_limited');
  const { body } = await exposeMetrics();
  const labels = 'gen_ai_provider_name="openai",gen_ai_request_model="gpt-4o-mini"';
  expect(body).toContain(`gen_ai_client_token_usage_sum{${labels},gen_ai_token_type="input"} 40\n`);
  expect(body).toContain(`gen_ai_client_token_usage_sum{${labels},gen_ai_token_type="output"} 3\n`);
  expect(body).toContain(`gen_ai_client_operation_duration_seconds_count{${labels},error_type=""} 1\n`);
  expect(body).toContain(`gen_ai_client_operation_duration_seconds_sum{${labels},error_type="model_rate_limited"} 2\n`);
});
