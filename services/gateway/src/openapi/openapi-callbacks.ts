import { CALLBACK_SCHEMA, fieldsOfAllChannels } from '@batuta/contracts';
import type { OpenApiSchema } from './openapi-schema.js';

const ref = (name: string): OpenApiSchema => ({ $ref: `#/components/schemas/${name}` });
const listOf = (name: string): OpenApiSchema => ({ type: 'array', items: ref(name) });
const cursor: OpenApiSchema = { type: ['string', 'null'], description: 'Give it as `cursor` for the next page.' };

const about = CALLBACK_SCHEMA['properties'] as Record<string, OpenApiSchema>;
const description = CALLBACK_SCHEMA['description'];

const callbackBody: OpenApiSchema = {
  type: 'object',
  required: ['type', 'events'],
  description,
  properties: {
    ...about,
    ...fieldsOfAllChannels({ isFallback: false }),
    fallback: {
      ...about['fallback'],
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

/** A field in the answer of every POST that takes an `Idempotency-Key`. */
export const REPEATED: OpenApiSchema = {
  type: 'boolean',
  description: 'True when this is the first answer to the same Idempotency-Key again; absent otherwise.',
};

/** Schemas of callbacks, deliveries and notifications that are not generated from the contract's messages. */
export function callbackSchemas(): Record<string, OpenApiSchema> {
  const secret = { type: 'string', description: 'Signing secret (Standard Webhooks), shown only now.' };
  const properties = callbackBody['properties'] as Record<string, OpenApiSchema>;
  return {
    CallbackBody: callbackBody,
    Callback: {
      type: 'object',
      description,
      required: ['id', 'type', 'events', 'enabled'],
      properties: {
        id: { type: 'string', format: 'uuid' },
        tenant_id: { type: 'string' },
        ...properties,
        enabled: { type: 'boolean' },
        disabled_reason: { type: 'string' },
        created_by: { type: 'string' },
        created_at: { type: 'string', format: 'date-time' },
        updated_at: { type: 'string', format: 'date-time' },
        repeated: REPEATED,
      },
    },
    NewCallback: { allOf: [ref('Callback'), { type: 'object', properties: { secret, repeated: REPEATED } }] },
    CallbackPage: { type: 'object', properties: { callbacks: listOf('Callback'), next_cursor: cursor } },
    RedrivenDelivery: { allOf: [ref('CallbackDelivery'), { type: 'object', properties: { repeated: REPEATED } }] },
    DeliveryPage: { type: 'object', properties: { deliveries: listOf('CallbackDelivery'), next_cursor: cursor } },
    SigningSecret: {
      type: 'object',
      required: ['previous_expires_at'],
      properties: {
        secret,
        repeated: REPEATED,
        previous_expires_at: {
          type: ['string', 'null'],
          format: 'date-time',
          description: 'Until then the previous secret also signs.',
        },
      },
    },
    NotificationPage: {
      type: 'object',
      required: ['notifications', 'next_cursor'],
      properties: { notifications: listOf('InboxNotification'), next_cursor: cursor },
    },
    Acknowledged: {
      type: 'object',
      properties: { ids: { type: 'array', items: { type: 'string' } }, repeated: REPEATED },
    },
  };
}
