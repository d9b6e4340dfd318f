import { CallbackSchema, InboxNotificationSchema, toUserJson } from '@batuta/contracts';
import type { Callback, InboxNotification, JsonObject } from '@batuta/contracts';
import { Problem } from '../http/problem.js';

/** A callback in the form of the API: the fields of its channel are on the same level as its own. */
export function shownCallback(callback: Callback | undefined): JsonObject {
  if (callback === undefined) throw new Problem('not_found', 'There is no such callback.');
  const { channel, ...own } = toUserJson(CallbackSchema, callback);
  return { ...own, ...(channel as JsonObject | undefined) };
}

export const shownNotification = (notification: InboxNotification): JsonObject =>
  toUserJson(InboxNotificationSchema, notification);
