import {
  CallbackReplySchema,
  ChangeCallbackRequestSchema,
  CreateCallbackRequestSchema,
  DeliveryReplySchema,
  GetCallbackRequestSchema,
  GetDeliveryRequestSchema,
  ListCallbacksReplySchema,
  ListCallbacksRequestSchema,
  ListDeliveriesReplySchema,
  ListDeliveriesRequestSchema,
  RedriveDeliveryRequestSchema,
  RotateSecretReplySchema,
  RotateSecretRequestSchema,
} from '../generated/batuta/notifications/v1/service_pb.js';
import { DELIVERY_STATUSES } from '../notifications.js';
import type {
  CallbackReply,
  ChangeCallbackRequest,
  CreateCallbackRequest,
  DeliveryReply,
  GetCallbackRequest,
  GetDeliveryRequest,
  ListCallbacksReply,
  ListCallbacksRequest,
  ListDeliveriesReply,
  ListDeliveriesRequest,
  RedriveDeliveryRequest,
  RotateSecretReply,
  RotateSecretRequest,
} from '../notifications.js';
import { anotherRoute, defineOperation } from './define.js';
import { cursorParameter, limitParameter, textParameter, wordsParameter } from './parameters.js';

const PATH = '/api/v1/orchestrations/callbacks';
const DEAD_LETTERS = {
  execution_id: textParameter('Only deliveries about this execution.'),
  callback_id: textParameter('Only deliveries of this callback.'),
  limit: limitParameter(200),
  cursor: cursorParameter,
} as const;

const get = defineOperation<GetCallbackRequest, CallbackReply>({
  name: 'callbacks.get',
  service: 'notifications',
  subject: 'batuta.notifications.callback.get',
  kind: 'read',
  role: 'viewer',
  does: 'see a callback',
  request: GetCallbackRequestSchema,
  reply: CallbackReplySchema,
  refuses: ['not_found'],
  http: {
    method: 'GET',
    path: `${PATH}/:id`,
    summary: 'One callback',
    seen: true,
    answers: [
      {
        status: 200,
        schema: 'Callback',
        says: 'The callback; values of headers that carry credentials are shown as ***.',
        etag: true,
      },
    ],
  },
});

const list = defineOperation<ListDeliveriesRequest, ListDeliveriesReply>({
  name: 'callbacks.deliveries',
  service: 'notifications',
  subject: 'batuta.notifications.delivery.list',
  kind: 'read',
  // The list may be slow, and repeats would make it slower.
  again: false,
  role: 'viewer',
  does: 'list deliveries',
  request: ListDeliveriesRequestSchema,
  reply: ListDeliveriesReplySchema,
  http: {
    method: 'GET',
    path: `${PATH}/deliveries`,
    summary: 'List deliveries',
    query: { ...DEAD_LETTERS, status: wordsParameter('Only deliveries with this status.', DELIVERY_STATUSES) },
    answers: [{ status: 200, schema: 'DeliveryPage', says: 'A page, the newest first.' }],
  },
});

const rotate = defineOperation<RotateSecretRequest, RotateSecretReply>({
  name: 'callbacks.rotate',
  service: 'notifications',
  subject: 'batuta.notifications.secret.rotate',
  kind: 'command',
  role: 'operator',
  does: 'rotate a signing secret',
  request: RotateSecretRequestSchema,
  reply: RotateSecretReplySchema,
  refuses: ['not_found'],
  http: {
    method: 'POST',
    path: `${PATH}/:id/secret/rotate`,
    summary: 'A new signing secret for a callback',
    description: 'The secret before it signs too until it expires.',
    once: 'secret',
    secret: true,
    answers: [{ status: 200, schema: 'SigningSecret', says: 'The new secret, shown only now.' }],
  },
});

/** Subscriptions to events of executions. */
export const callbacks = {
  create: defineOperation<CreateCallbackRequest, CallbackReply>({
    name: 'callbacks.create',
    service: 'notifications',
    subject: 'batuta.notifications.callback.create',
    kind: 'command',
    role: 'operator',
    does: 'make a callback',
    request: CreateCallbackRequestSchema,
    reply: CallbackReplySchema,
    refuses: ['conflict'],
    http: {
      method: 'POST',
      path: PATH,
      summary: 'Tell somebody about events of a config’s executions, or of one execution',
      description: 'For events that come after it. The signing secret of a webhook is shown only in this answer.',
      once: 'secret',
      secret: true,
      body: {
        schema: 'CallbackBody',
        says: 'Whom to tell about what, and how.',
        example: {
          config_id: 'two-steps',
          type: 'webhook',
          events: ['completed', 'failed'],
          callback_url: 'https://example.org/hooks/batuta',
        },
      },
      answers: [{ status: 201, schema: 'NewCallback', says: 'Made.', etag: true }],
    },
  }),
  list: defineOperation<ListCallbacksRequest, ListCallbacksReply>({
    name: 'callbacks.list',
    service: 'notifications',
    subject: 'batuta.notifications.callback.list',
    kind: 'read',
    role: 'viewer',
    does: 'list callbacks',
    request: ListCallbacksRequestSchema,
    reply: ListCallbacksReplySchema,
    http: {
      method: 'GET',
      path: PATH,
      summary: 'List callbacks',
      query: {
        config_id: textParameter('Only callbacks of this config.'),
        execution_id: textParameter('Only callbacks of this execution.'),
        limit: limitParameter(200),
        cursor: cursorParameter,
      },
      answers: [{ status: 200, schema: 'CallbackPage', says: 'A page, the newest first.' }],
    },
  }),
  rotateTenant: anotherRoute(rotate, {
    name: 'callbacks.rotateTenant',
    // The service has the same operation for the tenant itself when no callback is named.
    role: 'admin',
    refuses: [],
    http: {
      method: 'POST',
      path: `${PATH}/secret/rotate`,
      summary: 'A new signing secret for the short form `callback_url`',
      description: 'The tenant’s own. The secret before it signs too until it expires.',
      once: 'secret',
      secret: true,
      answers: [{ status: 200, schema: 'SigningSecret', says: 'The new secret, shown only now.' }],
    },
  }),
  get,
  delete: defineOperation<ChangeCallbackRequest, CallbackReply>({
    name: 'callbacks.delete',
    service: 'notifications',
    subject: 'batuta.notifications.callback.delete',
    kind: 'command',
    role: 'operator',
    does: 'delete a callback',
    request: ChangeCallbackRequestSchema,
    reply: CallbackReplySchema,
    refuses: ['not_found'],
    http: {
      method: 'DELETE',
      path: `${PATH}/:id`,
      summary: 'Delete a callback',
      description: 'What it still had to deliver is not delivered.',
      compares: true,
      answers: [{ status: 200, schema: 'Callback', says: 'The deleted callback.' }],
    },
  }),
  enable: defineOperation<ChangeCallbackRequest, CallbackReply>({
    name: 'callbacks.enable',
    service: 'notifications',
    subject: 'batuta.notifications.callback.enable',
    kind: 'command',
    role: 'operator',
    does: 'enable a callback',
    request: ChangeCallbackRequestSchema,
    reply: CallbackReplySchema,
    refuses: ['not_found'],
    http: {
      method: 'POST',
      path: `${PATH}/:id/enable`,
      summary: 'Enable a callback that a 410 disabled',
      compares: true,
      once: 'once',
      answers: [{ status: 200, schema: 'Callback', says: 'The callback.', etag: true }],
    },
  }),
  rotate,
} as const;

/** Deliveries of callbacks, including those that failed. */
export const deliveries = {
  deliveries: list,
  deadLetters: anotherRoute(list, {
    name: 'callbacks.deadLetters',
    http: {
      method: 'GET',
      path: `${PATH}/dead-letters`,
      summary: 'List the deliveries that were given up',
      query: DEAD_LETTERS,
      sets: { deadLetter: true },
      answers: [{ status: 200, schema: 'DeliveryPage', says: 'A page, the newest first.' }],
    },
  }),
  delivery: defineOperation<GetDeliveryRequest, DeliveryReply>({
    name: 'callbacks.delivery',
    service: 'notifications',
    subject: 'batuta.notifications.delivery.get',
    kind: 'read',
    role: 'viewer',
    does: 'see a delivery',
    request: GetDeliveryRequestSchema,
    reply: DeliveryReplySchema,
    refuses: ['not_found'],
    http: {
      method: 'GET',
      path: `${PATH}/deliveries/:id`,
      summary: 'One delivery with its attempts',
      answers: [{ status: 200, schema: 'CallbackDelivery', says: 'The delivery.' }],
    },
  }),
  redrive: defineOperation<RedriveDeliveryRequest, DeliveryReply>({
    name: 'callbacks.redrive',
    service: 'notifications',
    subject: 'batuta.notifications.delivery.redrive',
    kind: 'command',
    role: 'operator',
    does: 'redrive a dead letter',
    request: RedriveDeliveryRequestSchema,
    reply: DeliveryReplySchema,
    refuses: ['not_found', 'conflict'],
    http: {
      method: 'POST',
      path: `${PATH}/deliveries/:id/redrive`,
      summary: 'Try a dead letter again',
      description: 'With the same `webhook-id` and all its retries.',
      once: 'once',
      answers: [{ status: 202, schema: 'RedrivenDelivery', says: 'It is on its way again.' }],
    },
  }),
} as const;
