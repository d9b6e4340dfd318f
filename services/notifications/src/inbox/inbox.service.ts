import type { AckInboxReply, InboxNotification, ListInboxReply, Principal } from '@batuta/contracts';
import { Injectable } from '@nestjs/common';
import { DataSource, IsNull, MoreThan } from 'typeorm';
import { invalid } from '../access/refusals.js';
import { pageSize, uuidOf } from '../access/requests.js';
import { InboxEntity } from './inbox.entity.js';

const MAX_ACKS = 1_000;
/** A page must fit a message, and contents may be large. */
const PAGE_BYTES = 2 * 1024 * 1024;

/** Acknowledges in the inbox and in the deliveries at once. $1: tenant, $2: user, $3: ids. */
const ACKNOWLEDGE = `
  WITH mine AS (
    SELECT id FROM notifications.inbox WHERE tenant_id = $1 AND user_id = $2 AND id = ANY($3::uuid[])
  ), acked AS (
    UPDATE notifications.inbox AS i SET acked_at = now() FROM mine WHERE i.id = mine.id AND i.acked_at IS NULL
  ), delivered AS (
    UPDATE notifications.orchestration_callbacks AS c
    SET status = 'delivered', completed_at = now(), fallback_at = NULL
    FROM mine WHERE c.id = mine.id AND c.status <> 'delivered'
  )
  SELECT id FROM mine`;

/** Each user's notifications, until they are acknowledged. */
@Injectable()
export class Inbox {
  readonly #dataSource: DataSource;

  constructor(dataSource: DataSource) {
    this.#dataSource = dataSource;
  }

  /** What waits for the principal's acknowledgement, oldest first. */
  async list(principal: Principal, limit: unknown, afterId: unknown): Promise<ListInboxReply> {
    const after = uuidOf(afterId);
    const size = pageSize(limit, 100, 500);
    const rows = await this.#dataSource.manager.find(InboxEntity, {
      where: {
        tenantId: principal.tenantId,
        userId: principal.userId,
        ackedAt: IsNull(),
        ...(after === undefined ? {} : { id: MoreThan(after) }),
      },
      order: { id: 'ASC' },
      take: size + 1,
    });
    const notifications: InboxNotification[] = [];
    let bytes = 0;
    for (const row of rows.slice(0, size)) {
      const notification = shown(row);
      bytes += Buffer.byteLength(JSON.stringify(notification));
      if (bytes > PAGE_BYTES && notifications.length > 0) break;
      notifications.push(notification);
    }
    return { notifications, more: notifications.length < rows.length };
  }

  /** Acknowledges; an id that is not one of the principal's is left out of the answer. */
  async acknowledge(principal: Principal, ids: unknown): Promise<AckInboxReply> {
    const list = Array.isArray(ids) ? ids : [];
    if (list.length > MAX_ACKS) {
      const { refused } = invalid('The request', [
        { path: '/ids', code: 'too_many', message: `has ${list.length} entries; at most ${MAX_ACKS} are allowed` },
      ]);
      return { ids: [], refused };
    }
    const known = [...new Set(list.map(uuidOf))].filter((id) => id !== undefined);
    const rows = await this.#dataSource.query<{ id: string }[]>(ACKNOWLEDGE, [
      principal.tenantId,
      principal.userId,
      known,
    ]);
    return { ids: rows.map(({ id }) => id) };
  }
}

function shown(row: InboxEntity): InboxNotification {
  return {
    id: row.id,
    executionId: row.executionId,
    eventType: row.eventType,
    content: row.content as InboxNotification['content'],
    createdAt: row.createdAt.getTime(),
  };
}
