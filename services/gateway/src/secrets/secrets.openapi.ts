import { SECRET_LIMITS, SecretInfoSchema } from '@batuta/contracts';
import type { OpenApiPart } from '../openapi/openapi-part.js';
import { TOKENS_SCHEMA } from '../openapi/openapi-rules.js';
import { page } from '../openapi/openapi-schema.js';

export const secretsPart: OpenApiPart = {
  messages: [SecretInfoSchema],
  always: {
    SecretInfo: ['name', 'version', 'description', 'created_at', 'updated_at', 'updated_by'],
  },
  says: {
    last_used_at: 'When its value was last given to a runner or a delivery, to the minute; null when never.',
    secrets: 'The secrets, without their values.',
    'SecretInfo.name': 'Its name: configs refer to it as `{{secret:NAME}}`.',
    'SecretInfo.description': 'What it is for.',
    'SecretInfo.version': 'Grows by one with each change.',
  },
  schemas: () => ({
    SecretPage: page('secrets', 'SecretInfo'),
    SecretBody: {
      type: 'object',
      required: ['value'],
      properties: {
        value: {
          type: 'string',
          format: 'password',
          writeOnly: true,
          minLength: SECRET_LIMITS.least,
          maxLength: SECRET_LIMITS.most,
          description: 'The secret itself. No answer has it.',
        },
        description: { type: 'string', maxLength: SECRET_LIMITS.description, description: 'Its purpose.' },
      },
    },
  }),
  parameters: [
    [
      /^\/api\/v1\/secrets\//,
      'name',
      { description: 'Name of the secret.', schema: TOKENS_SCHEMA, example: 'TICKET_TOKEN' },
    ],
  ],
};
