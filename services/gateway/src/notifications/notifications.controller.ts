import { decodeCursor, encodeCursor, operations } from '@batuta/contracts';
import { shownNotification } from '../callbacks/shown-callback.js';
import { featureController } from '../routes/feature-controller.js';
import { mistake } from '../http/problem.js';

export const NotificationsController = featureController('NotificationsController', operations.notifications, {
  list: {
    request: ({ query }) => {
      const cursor = query['cursor'] as string | undefined;
      if (cursor === undefined) return {};
      const afterId = decodeCursor('notifications', cursor);
      if (afterId === undefined) throw mistake('/cursor', 'bad_cursor', 'is not a cursor of this list');
      return { afterId };
    },
    shown: ({ notifications, more = false }) => {
      const last = notifications.at(-1);
      return {
        notifications: notifications.map(shownNotification),
        next_cursor: more && last !== undefined ? encodeCursor('notifications', last.id) : null,
      };
    },
  },
  acknowledge: {
    shown: ({ ids, repeated = false }) => ({ ids: ids ?? [], ...(repeated ? { repeated } : {}) }),
  },
});
