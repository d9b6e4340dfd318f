import { CALLBACK_EVENTS, CALLBACK_TYPES } from '@batuta/contracts';
import type { OpenApiSchema } from './openapi-schema.js';

const ref = (name: string): OpenApiSchema => ({ $ref: `#/components/schemas/${name}` });
const listOf = (name: string): OpenApiSchema => ({ type: 'array', items: ref(name) });
const template = (description: string): OpenApiSchema => ({ type: 'string', maxLength: 65_536, description });
const cursor: OpenApiSchema = { type: ['string', 'null'], description: 'Give it as `cursor` for the next page.' };

const channel: OpenApiSchema = {
  type: { type: 'string', enum: [...CALLBACK_TYPES] },
  callback_url: { type: 'string', format: 'uri', maxLength: 2048, description: 'Webhooks: where to.' },
  callback_method: { type: 'string', enum: ['POST', 'PUT', 'PATCH'], default: 'POST' },
  callback_headers: {
    type: 'object',
    description: 'Sent with each webhook. Values of headers that carry credentials are shown as `***`.',
    additionalProperties: { type: 'string' },
  },
  callback_body_template: template(
    'Liquid over `event` and `execution`: a webhook’s body, an email’s or SMS’s text, a notification’s content.',
  ),
  to: {
    description: 'Email addresses, a phone number, or (websocket) a user id; default for websocket: who started it.',
    oneOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }],
  },
  subject_template: template('Email: Liquid, one line.'),
  html_template: template('Email: Liquid; values are escaped.'),
  max_retries: { type: 'integer', minimum: 0, maximum: 50 },
};

const callbackBody: OpenApiSchema = {
  type: 'object',
  required: ['type', 'events'],
  description: 'Exactly one of `config_id` and `execution_id` is required.',
  properties: {
    config_id: { type: 'string' },
    execution_id: { type: 'string' },
    events: { type: 'array', items: { type: 'string', enum: Object.keys(CALLBACK_EVENTS) } },
    ...channel,
    fallback: {
      type: 'array',
      maxItems: 5,
      description: 'Channels that take over in turn when the one before has not succeeded in time.',
      items: {
        type: 'object',
        required: ['type', 'after_ms'],
        properties: {
          ...channel,
          after_ms: { type: 'integer', minimum: 1, description: 'Milliseconds that the channel before has.' },
        },
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

/** In the answers of every POST that takes an `Idempotency-Key`. */
export const REPEATED: OpenApiSchema = {
  type: 'boolean',
  description: 'True when this is the first answer to the same Idempotency-Key again; absent otherwise.',
};

/** Schemas of callbacks, deliveries and notifications, beside those made from the contract's messages. */
export function callbackSchemas(): Record<string, OpenApiSchema> {
  const secret = { type: 'string', description: 'Signing secret (Standard Webhooks), shown only now.' };
  const { properties, description, example: _example } = callbackBody as Record<string, OpenApiSchema>;
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
          description: 'Until then the secret before signs too.',
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
