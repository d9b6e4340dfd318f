import { PoolCredentialsSchema, PoolViewSchema } from '@batuta/contracts';
import type { OpenApiPart } from '../openapi/openapi-part.js';
import { TEXT_255, TOKENS_SCHEMA, UUID_SCHEMA } from '../openapi/openapi-rules.js';
import { ref, listOf, page } from '../openapi/openapi-schema.js';

export const poolsPart: OpenApiPart = {
  messages: [PoolViewSchema, PoolCredentialsSchema],
  always: {
    PoolCredentials: ['id', 'pool', 'name', 'created_by', 'created_at', 'expires_at'],
    PoolView: ['pool', 'workers', 'slots', 'free', 'backlog', 'taken', 'agents'],
  },
  rules: {
    'PoolCredentialsBody.name': TEXT_255,
  },
  says: {
    free: 'How many of those are free.',
    taken: 'Tasks that workers of the pool have taken.',
    'PoolView.agents': 'Agents that the pool serves.',
    pools: 'The pools.',
    credentials: 'The credentials, without their files.',
  },
  schemas: () => ({
    PoolList: { type: 'object', required: ['pools'], properties: { pools: listOf('PoolView') } },
    PoolCredentialsPage: page('credentials', 'PoolCredentials'),
    NewPoolCredentials: {
      allOf: [
        ref('PoolCredentials'),
        {
          type: 'object',
          properties: {
            file: {
              type: 'string',
              description: 'The credentials file for a NATS client (NATS_CREDS), shown only now.',
            },
            tls_ca: {
              type: 'string',
              description:
                'PEM certificates of the authorities that may sign the NATS server’s certificate (a file for BATUTA_NATS_TLS_CA). Absent when workers do not need it.',
            },
          },
        },
      ],
    },
  }),
  parameters: [
    [/^\/api\/v1\/pools\//, 'id', { description: 'The credentials.', schema: UUID_SCHEMA }],
    [/^\/api\/v1\/pools\//, 'pool', { description: 'The pool.', schema: TOKENS_SCHEMA, example: 'text' }],
  ],
};
