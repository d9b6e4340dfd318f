import { GroupCommit } from '@batuta/service';
import { Inject, Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import type { Outcome } from '../channels/channel.js';
import { NotificationsRows } from '../database/data-source.js';
import { failuresOf, finishRow, isGone, resultOf } from './attempt-outcome.js';
import type { Finish, Finished } from './attempt-outcome.js';
import { claimedOf, fallbackOf, inboxColumns, rowOf } from './delivery-rows.js';
import type { ClaimedRow, FallbackRow } from './delivery-rows.js';
import * as sql from './delivery-sql.js';
import type { AddedDeliveries, ClaimedDelivery, DeliveryRules, NewDelivery } from './delivery.js';

export const DELIVERY_RULES = Symbol('delivery rules');

/**
 * The deliveries in the database. Each is made once, claimed by one process at a time, and sent in order. Every failure
 * is recorded.
 */
@Injectable()
export class DeliveryQueue {
  readonly #dataSource: DataSource;
  readonly #rules: DeliveryRules;
  readonly #finishes = new GroupCommit<Finish, Finished>((finishes) => this.#finishAll(finishes));

  constructor(rows: NotificationsRows, @Inject(DELIVERY_RULES) rules: DeliveryRules) {
    // It delivers for all tenants.
    this.#dataSource = rows.everybody;
    this.#rules = rules;
  }

  /**
   * Adds deliveries inside the caller's transaction. Existing ones stay unchanged. A notification goes into its user's
   * inbox in the same transaction. It does not when a template must render its content, which takes time, or when an
   * earlier delivery of its order is still open.
   */
  async add(manager: EntityManager, deliveries: readonly NewDelivery[]): Promise<AddedDeliveries> {
    if (deliveries.length === 0) return { made: 0, waiting: 0, atOnce: [] };
    const rows = deliveries.map((delivery) => ({ ...rowOf(delivery, this.#rules), ...inboxColumns(delivery) }));
    const keys = [...new Set(rows.map((row) => row.order_key))];
    await lockKeys(manager, keys);
    const added = await manager.query<{ id: string; open: boolean; created_at: Date }[]>(sql.INSERT, [
      JSON.stringify(rows),
    ]);
    const waiting = new Set(added.filter(({ open }) => open).map(({ id }) => id));
    if (waiting.size > 0) {
      await manager.query(sql.PROMOTE, [keys]);
      const destinations = rows.filter(({ id }) => waiting.has(id)).map((row) => row.destination);
      await manager.query(sql.USE_DESTINATIONS, [[...new Set(destinations)]]);
    }
    const createdAt = new Map(added.map((row) => [row.id, row.created_at.getTime()]));
    const atOnce = rows.flatMap(({ id, inbox_user: userId, content }, index) => {
      const [delivery, at] = [deliveries[index], createdAt.get(id)];
      if (delivery === undefined || at === undefined || waiting.has(id) || userId === null || content === null) {
        return [];
      }
      const { tenantId, executionId, event, message, channels } = delivery;
      return [
        { entry: { id, tenantId, userId, executionId, event, content, createdAt: at }, settings: channels[0], message },
      ];
    });
    return { made: added.length, waiting: waiting.size, atOnce };
  }

  /**
   * Takes due deliveries, at most `limit`. The maps say how many attempts to each destination and of each tenant
   * already run here.
   */
  async claim(
    limit: number,
    busy: ReadonlyMap<string, number>,
    tenants: ReadonlyMap<string, number>,
  ): Promise<ClaimedDelivery[]> {
    const rows = await this.#dataSource.query<ClaimedRow[]>(sql.CLAIM, [
      limit,
      [...busy.keys()],
      [...busy.values()],
      this.#rules.destinationConcurrency,
      this.#rules.leaseMs,
      [...tenants.keys()],
      [...tenants.values()],
    ]);
    return rows.map(claimedOf);
  }

  /**
   * Records the outcome of an attempt. `stale`: another process has the delivery now, so only the attempt is recorded.
   */
  async finish(delivery: ClaimedDelivery, outcome: Outcome, durationMs: number): Promise<Finished> {
    const finished = await this.#finishes.add({ delivery, outcome, durationMs });
    if (finished.result === 'dead' && isGone(outcome)) {
      const { callbackId, executionId } = delivery;
      await this.closeAll(callbackId === null ? { shortFormOf: executionId } : { callbackId }, GONE, true);
    }
    return finished;
  }

  /** Closes all open deliveries of a callback, or of the short form of an execution. */
  async closeAll(
    of: { readonly callbackId: string } | { readonly shortFormOf: string },
    reason: string,
    deadLetter: boolean,
  ): Promise<void> {
    const [callbackId, executionId] = 'callbackId' in of ? [of.callbackId, null] : ([null, of.shortFormOf] as const);
    for (;;) {
      const closed = await this.#dataSource.transaction(async (manager) => {
        const rows = await manager.query<{ id: string; order_key: string }[]>(sql.OPEN_OF_CALLBACK, [
          callbackId,
          executionId,
        ]);
        const keys = rows.map((row) => row.order_key);
        await lockKeys(manager, keys);
        await manager.query(sql.CLOSE, [rows.map((row) => row.id), reason, deadLetter]);
        await manager.query(sql.PROMOTE, [[...new Set(keys)]]);
        return rows.length;
      });
      if (closed === 0) return;
    }
  }

  /**
   * Opens a dead letter again with all its retries. `not_dead` when it is not a dead letter; `disabled` when its
   * callback is deleted or disabled.
   */
  async redrive(
    manager: EntityManager,
    tenantId: string,
    id: string,
  ): Promise<'redriven' | 'not_found' | 'not_dead' | 'disabled'> {
    const [row] = await manager.query<{ order_key: string; dead: boolean; usable: boolean; destination: string }[]>(
      sql.REDRIVABLE,
      [tenantId, id],
    );
    if (row === undefined) return 'not_found';
    if (!row.dead) return 'not_dead';
    if (!row.usable) return 'disabled';
    await lockKeys(manager, [row.order_key]);
    const [, count] = await manager.query<[unknown, number]>(sql.REDRIVE, [tenantId, id, this.#rules.giveUpMs]);
    if (count === 0) return 'not_dead';
    await manager.query(sql.PROMOTE, [[row.order_key]]);
    await manager.query(sql.USE_DESTINATIONS, [[row.destination]]);
    return 'redriven';
  }

  /**
   * Starts the next channel of deliveries whose channel did not succeed in time. Returns the new deliveries, and the
   * milliseconds until the next fallback is due, or undefined when none is known.
   */
  async fallBack(): Promise<AddedDeliveries & { readonly nextMs: number | undefined }> {
    return this.#dataSource.transaction(async (manager) => {
      const [rows] = await manager.query<[FallbackRow[], number]>(sql.TAKE_FALLBACKS);
      const next = rows.flatMap(fallbackOf);
      const added = await this.add(manager, next);
      const [due] = await manager.query<{ ms: number | null }[]>(sql.NEXT_FALLBACK);
      return { ...added, nextMs: due?.ms ?? undefined };
    });
  }

  /** Makes dead letters of deliveries that could not be sent in time. Returns how many. */
  async giveUp(): Promise<number> {
    return this.#dataSource.transaction(async (manager) => {
      const rows = await manager.query<{ id: string; order_key: string }[]>(sql.TOO_OLD);
      if (rows.length === 0) return 0;
      const keys = rows.map((row) => row.order_key);
      await lockKeys(manager, keys);
      await manager.query(sql.CLOSE, [rows.map((row) => row.id), 'not delivered in time', true]);
      await manager.query(sql.PROMOTE, [[...new Set(keys)]]);
      return rows.length;
    });
  }

  /** Removes finished rows that are older than the retention time, a limited number of each kind per call. */
  async sweep(): Promise<void> {
    for (const statement of sql.SWEEPS) await this.#dataSource.query(statement, [this.#rules.keepMs]);
  }

  #finishAll(finishes: readonly Finish[]): Promise<Finished[]> {
    const { breakerFailures, breakerOpenMs } = this.#rules;
    return this.#dataSource.transaction(async (manager) => {
      await lockKeys(
        manager,
        finishes.map(({ delivery }) => delivery.orderKey),
      );
      const [rows] = await manager.query<[{ id: string; open: boolean; order_key: string }[], number]>(sql.FINISH, [
        JSON.stringify(finishes.map((finish) => finishRow(finish, this.#rules))),
      ]);
      const finished = new Map(rows.map((row) => [row.id, row]));
      const closed = rows.filter(({ open }) => !open).map((row) => row.order_key);
      const gone = finishes.filter(({ delivery, outcome }) => isGone(outcome) && finished.has(delivery.id));
      await this.#disable(
        manager,
        gone.map(({ delivery }) => delivery),
      );
      const [, promoted] =
        closed.length === 0 ? [[], 0] : await manager.query<[unknown, number]>(sql.PROMOTE, [[...new Set(closed)]]);
      const failures = failuresOf(finishes);
      await manager.query(sql.SETTLE_DESTINATIONS, [
        [...failures.keys()],
        [...failures.values()],
        breakerFailures,
        breakerOpenMs,
      ]);
      const nextIsDue = promoted > 0;
      return finishes.map(({ delivery, outcome }) => ({
        result: resultOf(outcome, finished.get(delivery.id)),
        nextIsDue,
      }));
    });
  }

  /** Disables callbacks whose destination is gone, before the next delivery of the same order is scheduled. */
  async #disable(manager: EntityManager, gone: readonly ClaimedDelivery[]): Promise<void> {
    for (const { callbackId, executionId, orderKey } of gone) {
      if (callbackId === null) await manager.query(sql.SHORT_FORM_GONE, [executionId]);
      else await manager.query(sql.DISABLE_CALLBACK, [callbackId, GONE]);
      await manager.query(sql.CLOSE_ORDER, [orderKey, callbackId, GONE]);
    }
  }
}

const GONE = 'the destination answered with 410: gone';

/**
 * Every change that opens or closes a delivery holds the lock of its order, so that exactly one of them schedules the
 * next delivery.
 */
async function lockKeys(manager: EntityManager, keys: readonly string[]): Promise<void> {
  await manager.query(sql.LOCK_ORDER, [[...new Set(keys)]]);
}
