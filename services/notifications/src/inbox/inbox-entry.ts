import { LIMITS, subjects } from '@batuta/contracts';
import type { CallbackEvent, InboxNotice, JsonValue } from '@batuta/contracts';

/** A notification in a user's inbox; its id is the delivery's. */
export interface InboxEntry {
  readonly id: string;
  readonly tenantId: string;
  readonly userId: string;
  readonly executionId: string;
  readonly event: CallbackEvent;
  readonly content: JsonValue;
  /** Epoch milliseconds. */
  readonly createdAt: number;
}

/**
 * Announces a committed entry to the gateways. If the entry is too large for a message, the gateways list the inbox
 * instead.
 */
export function announce(publish: (subject: string, payload: string) => void, entry: InboxEntry): void {
  const { id, executionId, event: eventType, content, createdAt } = entry;
  const notice: InboxNotice = { notification: { id, executionId, eventType, content, createdAt } };
  const text = JSON.stringify(notice);
  publish(
    subjects.inbox(entry.tenantId, entry.userId),
    Buffer.byteLength(text) > LIMITS.publishedEventBytes ? JSON.stringify({} satisfies InboxNotice) : text,
  );
}
