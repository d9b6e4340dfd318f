import { InboxNotificationSchema } from '@batuta/contracts';
import type { OpenApiPart } from '../openapi/openapi-part.js';
import { CURSOR, listOf, REPEATED } from '../openapi/openapi-schema.js';

export const notificationsPart: OpenApiPart = {
  messages: [InboxNotificationSchema],
  always: {
    Acknowledged: ['ids'],
    InboxNotification: ['id', 'execution_id', 'event_type', 'created_at', 'content'],
    NotificationPage: ['notifications'],
  },
  rules: {
    'AckBody.ids': { minItems: 1 },
  },
  says: {
    notifications: 'Your open notifications, oldest first.',
    ids: 'What was acknowledged.',
  },
  schemas: () => ({
    NotificationPage: {
      type: 'object',
      required: ['notifications', 'next_cursor'],
      properties: { notifications: listOf('InboxNotification'), next_cursor: CURSOR },
    },
    Acknowledged: {
      type: 'object',
      properties: { ids: { type: 'array', items: { type: 'string' } }, repeated: REPEATED },
    },
  }),
};
