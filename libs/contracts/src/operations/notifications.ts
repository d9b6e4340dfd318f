import {
  AckInboxReplySchema,
  AckInboxRequestSchema,
  ListInboxReplySchema,
  ListInboxRequestSchema,
} from '../generated/batuta/notifications/v1/service_pb.js';
import type { AckInboxReply, AckInboxRequest, ListInboxReply, ListInboxRequest } from '../notifications.js';
import { defineOperation } from './define.js';
import { cursorParameter, limitParameter } from './parameters.js';

const PATH = '/api/v1/notifications';

/** The caller's inbox. */
export const notifications = {
  list: defineOperation<ListInboxRequest, ListInboxReply>({
    name: 'notifications.list',
    service: 'notifications',
    subject: 'batuta.notifications.inbox.list',
    kind: 'read',
    role: 'viewer',
    does: 'read an inbox',
    request: ListInboxRequestSchema,
    reply: ListInboxReplySchema,
    http: {
      method: 'GET',
      path: PATH,
      summary: 'What waits in your inbox',
      description: 'Not yet acknowledged, the oldest first. The WebSocket `/ws/notifications` sends the same at once.',
      query: { limit: limitParameter(500, 100), cursor: cursorParameter },
      answers: [{ status: 200, schema: 'NotificationPage', says: 'A page.' }],
    },
  }),
  acknowledge: defineOperation<AckInboxRequest, AckInboxReply>({
    name: 'notifications.acknowledge',
    service: 'notifications',
    subject: 'batuta.notifications.inbox.ack',
    kind: 'command',
    // A second acknowledgement changes nothing.
    again: true,
    role: 'viewer',
    does: 'acknowledge notifications',
    request: AckInboxRequestSchema,
    reply: AckInboxReplySchema,
    http: {
      method: 'POST',
      path: `${PATH}/ack`,
      summary: 'Acknowledge notifications',
      once: 'once',
      body: {
        schema: 'AckBody',
        says: 'Those to acknowledge.',
        example: { ids: ['01944f2c-0000-7000-8000-000000000001'] },
      },
      answers: [{ status: 200, schema: 'Acknowledged', says: 'Those that are yours.' }],
    },
  }),
} as const;
