import type { AckInboxReply, Idempotency, InboxNotification, ListInboxReply, Principal } from '@batuta/contracts';
import { GroupCommit, IdempotencyKeys } from '@batuta/service';
import { Injectable } from '@nestjs/common';
import { IsNull, MoreThan } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { NotificationsRows } from '../database/data-source.js';
import { invalid } from '../access/refusals.js';
import { pageSize, textOf, uuidOf } from '../access/requests.js';
import { InboxEntity } from './inbox.entity.js';

const MAX_ACKS = 1_000;
/** A page must fit into a message, and contents may be large. */
const PAGE_BYTES = 2 * 1024 * 1024;

/**
 * Acknowledges in the inbox and in the deliveries together, both locked in order. Returns the ids that belong to their
 * user. $1: JSON array.
 */
const ACKNOWLEDGE = `
  WITH mine AS MATERIALIZED (
    SELECT i.id, i.tenant_id, i.user_id FROM json_to_recordset($1::json) AS r(id uuid, "tenantId" text, "userId" text)
    JOIN notifications.inbox AS i ON i.id = r.id AND i.tenant_id = r."tenantId" AND i.user_id = r."userId"
    ORDER BY i.id FOR UPDATE OF i
  ), theirs AS MATERIALIZED (
    SELECT id FROM notifications.orchestration_callbacks WHERE id IN (SELECT id FROM mine) ORDER BY id FOR UPDATE
  ), acked AS (
    UPDATE notifications.inbox AS i SET acked_at = now() FROM mine WHERE i.id = mine.id AND i.acked_at IS NULL
  ), delivered AS (
    UPDATE notifications.orchestration_callbacks AS c
    SET status = 'delivered', completed_at = now(), fallback_at = NULL
    FROM theirs WHERE c.id = theirs.id AND c.status <> 'delivered'
  )
  SELECT * FROM mine`;

/** Ids that one user acknowledges. */
interface Acknowledgement {
  readonly tenantId: string;
  readonly userId: string;
  readonly ids: readonly string[];
}

interface AcknowledgedRow {
  readonly id: string;
  readonly tenant_id: string;
  readonly user_id: string;
}

/** Each user's notifications, until they are acknowledged. */
@Injectable()
export class Inbox {
  readonly #rows: NotificationsRows;
  /** Many users acknowledge one by one at the same time, so their acknowledgements are written together. */
  readonly #acknowledgements = new GroupCommit<Acknowledgement, string[]>((group) => this.#acknowledgeAll(group), 20);

  readonly #keys: IdempotencyKeys;

  constructor(rows: NotificationsRows, keys: IdempotencyKeys) {
    this.#rows = rows;
    this.#keys = keys;
  }

  /** The principal's open notifications, oldest first. */
  async list(principal: Principal, limit: unknown, afterId: unknown): Promise<ListInboxReply> {
    const after = uuidOf(afterId);
    if (after === undefined && textOf(afterId) !== '') {
      const mistake = { path: '/cursor', code: 'bad_cursor', message: 'is not a cursor of this list' };
      return { notifications: [], more: false, ...invalid('The request', [mistake]) };
    }
    const size = pageSize(limit, 100, 500);
    const rows = await this.#rows.of(principal.tenantId).manager.find(InboxEntity, {
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

  /** Acknowledges notifications. The answer leaves out ids that do not belong to the principal. */
  async acknowledge(principal: Principal, ids: unknown, idempotency?: Idempotency): Promise<AckInboxReply> {
    const list = Array.isArray(ids) ? ids : [];
    if (list.length > MAX_ACKS) {
      const { refused } = invalid('The request', [
        { path: '/ids', code: 'too_many', message: `has ${list.length} entries; at most ${MAX_ACKS} are allowed` },
      ]);
      return { ids: [], refused };
    }
    const known = [...new Set(list.map(uuidOf))].filter((id) => id !== undefined);
    const { tenantId, userId } = principal;
    const asked: Acknowledgement = { tenantId, userId, ids: known };
    if (idempotency === undefined) return { ids: await this.#acknowledgements.add(asked) };
    // In one transaction with its key, so that of two different requests with one key the second is refused.
    return this.#rows.of(tenantId).transaction(async (manager): Promise<AckInboxReply> => {
      const reply = await this.#keys.once<AckInboxReply>(manager, tenantId, idempotency, async () => {
        const [ids = []] = await this.#acknowledgeAll([asked], manager);
        return { ids };
      });
      return { ids: [], ...reply };
    });
  }

  async #acknowledgeAll(group: readonly Acknowledgement[], manager?: EntityManager): Promise<string[][]> {
    // One statement for each tenant, because it sees that tenant's rows only.
    const tenants = [...new Set(group.map(({ tenantId }) => tenantId))];
    const found = await Promise.all(
      tenants.map((tenantId) => {
        const own = group.filter((each) => each.tenantId === tenantId);
        const parameters = [
          JSON.stringify(own.flatMap(({ userId, ids }) => ids.map((id) => ({ id, tenantId, userId })))),
        ];
        return (manager ?? this.#rows.of(tenantId)).query<AcknowledgedRow[]>(ACKNOWLEDGE, parameters);
      }),
    );
    const rows = found.flat();
    const keyOf = (...parts: string[]): string => JSON.stringify(parts);
    const theirs = new Set(rows.map((row) => keyOf(row.tenant_id, row.user_id, row.id)));
    return group.map(({ tenantId, userId, ids }) => ids.filter((id) => theirs.has(keyOf(tenantId, userId, id))));
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
