import { createHash } from 'node:crypto';
import { newId } from '@batuta/contracts';
import type { CallbackEvent, CallbackType, JsonValue } from '@batuta/contracts';
import { GroupCommit } from '@batuta/service';
import { Inject, Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { NotificationsRows } from '../database/data-source.js';
import { withoutHeaderValues } from '../callbacks/callback-headers.js';
import type { ChannelDefinition } from '../callbacks/channel-definition.js';
import type { Outcome } from '../channels/channel.js';
import { CHANNELS } from '../channels/index.js';
import type { ChannelKind } from '../channels/kind.js';
import type { NotificationsSettings } from '../settings.js';
import type { InboxEntry } from '../inbox/inbox-entry.js';
import { defaultContent } from '../templates/message.js';
import type { Message } from '../templates/message.js';
import * as sql from './delivery-sql.js';

export const DELIVERY_RULES = Symbol('delivery rules');

export interface DeliveryRules {
  readonly leaseMs: number;
  readonly retryBaseMs: number;
  readonly retryMaxMs: number;
  readonly maxRetries: number;
  readonly giveUpMs: number;
  readonly breakerFailures: number;
  readonly breakerOpenMs: number;
  readonly destinationConcurrency: number;
  readonly keepMs: number;
}

/** A delivery to add. The first of `channels` is used first; the others are its fallbacks. */
export interface NewDelivery {
  readonly executionId: string;
  readonly tenantId: string;
  /** Null for the short form. */
  readonly callbackId: string | null;
  readonly event: CallbackEvent;
  readonly version: number;
  readonly position: number;
  readonly userId: string;
  readonly channels: readonly [ChannelDefinition, ...ChannelDefinition[]];
  /** Index of the first of `channels` in the callback's list. */
  readonly channelIndex: number;
  readonly message: Message;
}

/** A delivery that was complete when it was added: its notification is in the inbox and must only be announced. */
export interface DeliveredAtOnce {
  readonly entry: InboxEntry;
  readonly settings: ChannelDefinition;
  readonly message: Message;
}

/** The result of adding deliveries. */
export interface AddedDeliveries {
  /** How many are new. */
  readonly made: number;
  /** How many of them must be sent. */
  readonly waiting: number;
  /** To be announced after the caller's transaction is committed. */
  readonly atOnce: readonly DeliveredAtOnce[];
}

/** A delivery that this process is attempting. */
export interface ClaimedDelivery {
  readonly id: string;
  readonly executionId: string;
  readonly tenantId: string;
  readonly callbackId: string | null;
  readonly type: CallbackType;
  readonly event: CallbackEvent;
  readonly destination: string;
  readonly orderKey: string;
  /** 0 for the callback's own channel, then its fallbacks. */
  readonly channelIndex: number;
  /** The channel's settings, without the values of headers. */
  readonly settings: ChannelDefinition;
  readonly message: Message;
  /** 1 for the first attempt. Together with `id` it decides who may report the outcome. */
  readonly attempt: number;
  /** Retries so far, including this attempt if it is a retry. */
  readonly retryCount: number;
  /** Only for a retry: when the previous attempt failed and when this one was due, in epoch milliseconds. */
  readonly backoff?: { readonly failedAt: number; readonly dueAt: number } | undefined;
}

interface ClaimedRow {
  id: string;
  execution_id: string;
  tenant_id: string;
  callback_id: string | null;
  callback_type: CallbackType;
  event_type: CallbackEvent;
  destination: string;
  order_key: string;
  channel: number;
  channel_settings: ChannelDefinition;
  message: Message;
  attempts: number;
  retry_count: number;
  /** Null for a first attempt, and when the previous attempt was cut off. */
  failed_at: number | null;
  due_at: number;
}

export type FinishResult = 'delivered' | 'sent' | 'retrying' | 'dead' | 'stale';

export interface Finished {
  readonly result: FinishResult;
  /** Whether another delivery may be sent now, because this one, or one recorded together with it, is finished. */
  readonly nextIsDue: boolean;
}

function isConfirmed(type: CallbackType): boolean {
  const kind: ChannelKind<NotificationsSettings> = CHANNELS[type];
  return kind.isConfirmed ?? false;
}

/** Milliseconds to wait before retry `retry` (1 for the first): exponential backoff with full jitter, by AWS's
 * "Exponential Backoff And Jitter". */
export function backoffMs(retry: number, baseMs: number, maxMs: number, random: () => number = Math.random): number {
  return Math.round(random() * Math.min(maxMs, baseMs * 2 ** Math.min(retry - 1, 40)));
}

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
    const rows = deliveries.map((delivery) => ({ ...this.#row(delivery), ...inboxColumns(delivery) }));
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
    return rows.map((row) => ({
      id: row.id,
      executionId: row.execution_id,
      tenantId: row.tenant_id,
      callbackId: row.callback_id,
      type: row.callback_type,
      event: row.event_type,
      destination: row.destination,
      orderKey: row.order_key,
      channelIndex: row.channel,
      settings: row.channel_settings,
      message: row.message,
      attempt: row.attempts,
      retryCount: row.retry_count,
      backoff: row.failed_at === null ? undefined : { failedAt: row.failed_at, dueAt: row.due_at },
    }));
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
      const next = rows.flatMap((row): NewDelivery[] => {
        const [first, ...rest] = row.fallback;
        if (first === undefined) return [];
        return [
          {
            executionId: row.execution_id,
            tenantId: row.tenant_id,
            callbackId: row.callback_id,
            event: row.event_type,
            version: row.event_version,
            position: Number(row.position),
            userId: row.user_id,
            channels: [first, ...rest],
            channelIndex: row.channel + 1,
            message: row.message,
          },
        ];
      });
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
        JSON.stringify(finishes.map((finish) => this.#finishRow(finish))),
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

  #finishRow({ delivery, outcome, durationMs }: Finish) {
    const { retryBaseMs, retryMaxMs } = this.#rules;
    const asked = outcome.result === 'failed' ? Math.min(outcome.retryAfterMs ?? 0, retryMaxMs) : 0;
    return {
      id: delivery.id,
      attempt: delivery.attempt,
      ms: durationMs,
      result: outcome.result,
      waits: isConfirmed(delivery.type) && outcome.result === 'sent',
      response_status: outcome.responseStatus ?? null,
      response_body: outcome.responseBody ?? null,
      error: 'error' in outcome ? outcome.error : null,
      retry_after_ms: Math.max(asked, backoffMs(delivery.retryCount + 1, retryBaseMs, retryMaxMs)),
    };
  }

  /** Disables callbacks whose destination is gone, before the next delivery of the same order is scheduled. */
  async #disable(manager: EntityManager, gone: readonly ClaimedDelivery[]): Promise<void> {
    for (const { callbackId, executionId, orderKey } of gone) {
      if (callbackId === null) await manager.query(sql.SHORT_FORM_GONE, [executionId]);
      else await manager.query(sql.DISABLE_CALLBACK, [callbackId, GONE]);
      await manager.query(sql.CLOSE_ORDER, [orderKey, callbackId, GONE]);
    }
  }

  #row(delivery: NewDelivery) {
    const [whole, ...others] = delivery.channels;
    // Credentials are stored only in the callback, encrypted.
    const channel = withoutHeaderValues(whole);
    const fallback = others.map(withoutHeaderValues);
    const kind: ChannelKind<NotificationsSettings> = CHANNELS[channel.type];
    const target = kind.target(channel, delivery.userId);
    const [next] = fallback;
    return {
      id: newId(),
      execution_id: delivery.executionId,
      callback_type: channel.type,
      callback_url: target,
      callback_method: channel.callback_method ?? null,
      callback_headers: channel.callback_headers ?? {},
      callback_body_template: channel.callback_body_template ?? null,
      max_retries: channel.max_retries ?? this.#rules.maxRetries,
      tenant_id: delivery.tenantId,
      callback_id: delivery.callbackId,
      callback_key: delivery.callbackId ?? 'callback_url',
      event_type: delivery.event,
      event_version: delivery.version,
      position: delivery.position,
      channel: delivery.channelIndex,
      channel_settings: channel,
      fallback,
      fallback_after_ms: next === undefined ? null : (next.after_ms ?? 0),
      destination: kind.destination?.(channel, delivery.tenantId) ?? channel.type,
      order_key: createHash('sha256')
        .update(JSON.stringify([delivery.executionId, channel.type, target]))
        .digest('base64url'),
      give_up_after_ms: this.#rules.giveUpMs,
    };
  }
}

const GONE = 'the destination answered with 410: gone';

const isGone = (outcome: Outcome): boolean => outcome.result === 'refused' && outcome.gone === true;

interface Finish {
  readonly delivery: ClaimedDelivery;
  readonly outcome: Outcome;
  readonly durationMs: number;
}

/** The result for an attempt, depending on the new state of its delivery. */
function resultOf(outcome: Outcome, row: { readonly open: boolean } | undefined): FinishResult {
  if (row === undefined) return 'stale';
  if (row.open) return 'retrying';
  return outcome.result === 'delivered' || outcome.result === 'sent' ? outcome.result : 'dead';
}

/** How many attempts could not reach each destination; 0 when at least one reached it. */
function failuresOf(finishes: readonly Finish[]): Map<string, number> {
  const failures = new Map<string, number>();
  const reached = new Set<string>();
  for (const { delivery, outcome } of finishes) {
    const { destination } = delivery;
    const failed = outcome.result === 'failed' && outcome.unreachable;
    if (!failed) reached.add(destination);
    failures.set(destination, reached.has(destination) ? 0 : (failures.get(destination) ?? 0) + 1);
  }
  return failures;
}

interface FallbackRow {
  execution_id: string;
  tenant_id: string;
  callback_id: string | null;
  event_type: CallbackEvent;
  event_version: number;
  position: string;
  channel: number;
  fallback: ChannelDefinition[];
  user_id: string;
  message: Message;
}

/** The columns of a notification that can be written to the inbox at once, else none. */
function inboxColumns({ channels: [channel], userId, message }: NewDelivery): {
  readonly inbox_user: string | null;
  readonly content: JsonValue | null;
} {
  const user = channel.to?.[0] ?? userId;
  return channel.type === 'websocket' && channel.callback_body_template === undefined && user !== ''
    ? { inbox_user: user, content: defaultContent(message) }
    : { inbox_user: null, content: null };
}

/**
 * Every change that opens or closes a delivery holds the lock of its order, so that exactly one of them schedules the
 * next delivery.
 */
async function lockKeys(manager: EntityManager, keys: readonly string[]): Promise<void> {
  await manager.query(sql.LOCK_ORDER, [[...new Set(keys)]]);
}
