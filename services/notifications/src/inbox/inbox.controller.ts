import { operations } from '@batuta/contracts';
import { operationsController } from '@batuta/control';
import { Inbox } from './inbox.service.js';

export const InboxController = operationsController('InboxController', operations.notifications, Inbox, {
  list: (inbox, { principal, limit, afterId }) => inbox.list(principal, limit, afterId),
  acknowledge: (inbox, { principal, ids, idempotency }) => inbox.acknowledge(principal, ids, idempotency),
});
