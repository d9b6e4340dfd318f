import { CALLBACK_SCHEMA, CallbackDeliverySchema, fieldsOfAllChannels } from '@batuta/contracts';
import type { OpenApiPart } from '../openapi/openapi-part.js';
import { UUID_SCHEMA } from '../openapi/openapi-rules.js';
import { CURSOR, listOf, ref, REPEATED } from '../openapi/openapi-schema.js';
import type { OpenApiSchema } from '../openapi/openapi-schema.js';

/** The description of a callback. */
const description = CALLBACK_SCHEMA['description'];
const FIELDS = CALLBACK_SCHEMA['properties'] as Record<string, OpenApiSchema>;

const BODY: OpenApiSchema = {
  type: 'object',
  required: ['type', 'events'],
  description,
  properties: {
    ...FIELDS,
    ...fieldsOfAllChannels({ isFallback: false }),
    fallback: {
      ...FIELDS['fallback'],
      items: {
        type: 'object',
        required: ['type', 'after_ms'],
        properties: fieldsOfAllChannels({ isFallback: true }),
      },
    },
  },
  example: {
    config_id: '01944f2c-0000-7000-8000-000000000001',
    type: 'webhook',
    events: ['completed', 'failed'],
    callback_url: 'https://example.org/hooks/batuta',
  },
};

const SECRET: OpenApiSchema = { type: 'string', description: 'Signing secret (Standard Webhooks), shown only now.' };

export const callbacksPart: OpenApiPart = {
  messages: [CallbackDeliverySchema],
  always: {
    Callback: ['id', 'type', 'events', 'enabled', 'tenant_id', 'created_by', 'created_at', 'updated_at'],
    CallbackDelivery: [
      'id',
      'execution_id',
      'callback_type',
      'callback_url',
      'status',
      'created_at',
      'event_type',
      'event_version',
      'channel',
      'retry_count',
      'max_retries',
      'dead_letter',
    ],
    CallbackPage: ['callbacks', 'next_cursor'],
    DeliveryAttempt: ['attempt', 'started_at', 'outcome'],
    DeliveryPage: ['deliveries', 'next_cursor'],
  },
  says: {
    attempts: 'Every attempt, in order.',
    'CallbackDelivery.callback_url': 'The destination. References to secrets are not resolved.',
    'CallbackDelivery.error': 'Why the last attempt failed.',
    callback_type: 'The channel.',
    callback_method: 'Method of the request; default `POST`.',
    callback_id: 'The callback; empty for the short form `callback_url`.',
    max_retries: 'How often a failed attempt is repeated.',
    last_retry_at: 'When the last attempt was made.',
    response_status: 'HTTP status of the last answer.',
    response_body: 'Beginning of the last answer.',
    sent_at: 'When it was sent; null before.',
    event_version: 'Version of that event.',
    channel: '0 for the callback’s own channel, then its fallbacks.',
    next_attempt_at: 'When the next attempt is made; null when there is none.',
    dead_letter: 'Whether it was given up.',
    duration_ms: 'Milliseconds that the attempt took.',
    outcome: 'The outcome of the attempt.',
    'CallbackBody.config_id': 'The config, by id or name, whose executions it is about.',
    'CallbackBody.execution_id': 'The one execution that it is about.',
    'CallbackBody.events': 'The events that it is about.',
    'Callback.events': 'The events that it is about.',
    enabled: 'Whether it is enabled.',
    disabled_reason: 'Why it is disabled.',
    callbacks: 'The callbacks, newest first.',
    deliveries: 'The deliveries, newest first.',
  },
  parameters: [
    [
      /^\/api\/v1\/orchestrations\/callbacks\/deliveries\//,
      'id',
      { description: 'The delivery.', schema: UUID_SCHEMA },
    ],
    [/^\/api\/v1\/orchestrations\/callbacks\//, 'id', { description: 'The callback.', schema: UUID_SCHEMA }],
  ],
  schemas: () => ({
    CallbackBody: BODY,
    Callback: {
      type: 'object',
      description,
      required: ['id', 'type', 'events', 'enabled'],
      properties: {
        id: { type: 'string', format: 'uuid' },
        tenant_id: { type: 'string' },
        ...(BODY['properties'] as Record<string, OpenApiSchema>),
        enabled: { type: 'boolean' },
        disabled_reason: { type: 'string' },
        created_by: { type: 'string' },
        created_at: { type: 'string', format: 'date-time' },
        updated_at: { type: 'string', format: 'date-time' },
        repeated: REPEATED,
      },
    },
    NewCallback: { allOf: [ref('Callback'), { type: 'object', properties: { secret: SECRET, repeated: REPEATED } }] },
    CallbackPage: { type: 'object', properties: { callbacks: listOf('Callback'), next_cursor: CURSOR } },
    RedrivenDelivery: { allOf: [ref('CallbackDelivery'), { type: 'object', properties: { repeated: REPEATED } }] },
    DeliveryPage: { type: 'object', properties: { deliveries: listOf('CallbackDelivery'), next_cursor: CURSOR } },
    SigningSecret: {
      type: 'object',
      required: ['previous_expires_at'],
      properties: {
        secret: SECRET,
        repeated: REPEATED,
        previous_expires_at: {
          type: ['string', 'null'],
          format: 'date-time',
          description: 'Until then the previous secret also signs.',
        },
      },
    },
  }),
};
