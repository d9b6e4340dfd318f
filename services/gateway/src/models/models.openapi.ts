import { MODEL_PROVIDERS, ModelPricesSchema, ModelSchema } from '@batuta/contracts';
import type { OpenApiPart } from '../openapi/openapi-part.js';
import { TOKENS_SCHEMA } from '../openapi/openapi-rules.js';
import { listOf } from '../openapi/openapi-schema.js';

export const modelsPart: OpenApiPart = {
  messages: [ModelSchema, ModelPricesSchema],
  always: {
    Model: ['name', 'provider', 'model', 'description', 'revision', 'updated_at', 'tenant_id'],
    ModelList: ['models'],
    ModelPrices: ['input', 'output'],
  },
  says: {
    'Model.name': 'Its name, which steps use.',
    'Model.provider': 'The provider: `openai`, `anthropic`, or any server with OpenAI’s API.',
    'Model.model': 'The provider’s id of the model.',
    'Model.base_url': 'The address of requests, if not the provider’s usual one.',
    'Model.api_key': 'The secret with the key, as a reference.',
    'Model.description': 'What it is for.',
    'Model.max_output_tokens': 'Most tokens of one answer, when a call does not set it.',
    'Model.temperature': 'The sampling temperature, when a call does not set it.',
    'Model.context_tokens': 'Tokens that fit a call, its answer included.',
    'Model.stream': 'Whether its answers are shown as they come.',
    'Model.prices': 'Prices of its own, instead of those of the price list.',
    'ModelPrices.input': 'US dollars for a million input tokens.',
    'ModelPrices.output': 'US dollars for a million output tokens.',
    models: 'The models, by name.',
  },
  schemas: () => ({
    ModelList: { type: 'object', properties: { models: listOf('Model') } },
    ModelBody: {
      type: 'object',
      required: ['provider', 'model'],
      properties: {
        provider: {
          type: 'string',
          enum: [...MODEL_PROVIDERS],
          description: 'The provider. `openai_compatible` is any server with OpenAI’s API, at `base_url`.',
        },
        model: { type: 'string', maxLength: 200, description: 'The provider’s id of the model.' },
        base_url: { type: 'string', maxLength: 2048, description: 'Where requests go.' },
        api_key: {
          type: 'string',
          pattern: '^\\{\\{secret:[A-Za-z0-9_-]{1,64}\\}\\}$',
          description: 'The secret with the key, as a reference.',
        },
        description: { type: 'string', maxLength: 2000, description: 'Its purpose.' },
        max_output_tokens: {
          type: 'integer',
          minimum: 1,
          description: 'Most tokens of one answer, when a call does not set it.',
        },
        temperature: { type: 'number', minimum: 0, maximum: 2, description: 'The sampling temperature.' },
        context_tokens: { type: 'integer', minimum: 1, description: 'Tokens that fit a call, its answer included.' },
        stream: { type: 'boolean', default: false, description: 'Whether its answers are shown as they come.' },
        prices: {
          type: 'object',
          required: ['input', 'output'],
          description: 'Its own prices, instead of those of the price list.',
          properties: {
            input: { type: 'number', minimum: 0, description: 'US dollars for a million input tokens.' },
            output: { type: 'number', minimum: 0, description: 'US dollars for a million output tokens.' },
          },
        },
      },
    },
  }),
  parameters: [
    [/^\/api\/v1\/models\//, 'name', { description: 'Name of the model.', schema: TOKENS_SCHEMA, example: 'writer' }],
  ],
};
