import { ApiKeySchema, ROLES, TENANT_ID } from '@batuta/contracts';
import type { OpenApiPart } from '../openapi/openapi-part.js';
import { TEXT_255, UUID_SCHEMA } from '../openapi/openapi-rules.js';
import { ref, page, REPEATED } from '../openapi/openapi-schema.js';

export const apiKeysPart: OpenApiPart = {
  messages: [ApiKeySchema],
  words: {
    'ApiKey.role': ROLES,
  },
  always: {
    ApiKey: ['id', 'tenant_id', 'user_id', 'role', 'name', 'prefix', 'created_at'],
  },
  rules: {
    'ApiKeyBody.user_id': TEXT_255,
    'ApiKeyBody.name': TEXT_255,
    'ApiKeyBody.tenant_id': { pattern: TENANT_ID.source },
  },
  says: {
    role: 'The rights of the key: `viewer` reads; `operator` also writes and runs; `admin` also manages agents and keys.',
    prefix: 'First characters of the key, to recognise it by.',
    keys: 'The keys, without their secrets.',
  },
  schemas: () => ({
    ApiKeyPage: page('keys', 'ApiKey'),
    NewApiKey: {
      allOf: [
        ref('ApiKey'),
        {
          type: 'object',
          properties: {
            secret: { type: 'string', description: 'The key itself, shown only now; absent in a repeat.' },
            repeated: REPEATED,
          },
        },
      ],
    },
  }),
  parameters: [[/^\/api\/v1\/api-keys\//, 'id', { description: 'The API key.', schema: UUID_SCHEMA }]],
};
