import { createHash } from 'node:crypto';
import type { CallbackEvent, CallbackType } from '@batuta/contracts';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { newId } from '../access/requests.js';
import type { ChannelDefinition } from '../callbacks/channel-definition.js';
import type { Outcome } from '../channels/channel.js';
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

/** What there is to deliver; the channel is the first of `channels`, the rest are its fallbacks. */
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
  /** Place of the first of `channels` in the callback's list. */
  readonly channelIndex: number;
}

/** A delivery that this process attempts now. */
export interface ClaimedDelivery {
  readonly id: string;
  readonly executionId: string;
  readonly tenantId: string;
  readonly callbackId: string | null;
  readonly type: CallbackType;
  readonly event: CallbackEvent;
  readonly destination: string;
  readonly orderKey: string;
  readonly settings: ChannelDefinition;
  readonly message: Message;
  /** 1 for the first; with `id` it says who may report the outcome. */
  readonly attempt: number;
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
  channel_settings: ChannelDefinition;
  message: Message;
  attempts: number;
}

export type FinishResult = 'delivered' | 'sent' | 'retrying' | 'dead' | 'stale';

/** Where a channel leads, as a URL. */
export function targetOf(channel: ChannelDefinition, userId: string): string {
  switch (channel.type) {
    case 'webhook':
      return channel.callback_url ?? '';
    case 'email':
      return `mailto:${(channel.to ?? []).join(',')}`;
    case 'sms':
      return `tel:${channel.to?.[0] ?? ''}`;
    case 'websocket':
      return `user:${channel.to?.[0] ?? userId}`;
    default:
      return channel.type satisfies never;
  }
}

/** What fails as a whole: one tenant's calls to one server, or a provider of the platform. */
function destinationOf(channel: ChannelDefinition, tenantId: string): string {
  if (channel.type !== 'webhook') return channel.type;
  const url = channel.callback_url ?? '';
  return `webhook ${tenantId} ${URL.canParse(url) ? new URL(url).origin : 'invalid'}`;
}

/** Milliseconds to wait before retry `retry` (1 for the first): exponential backoff with full jitter, by AWS's
 * "Exponential Backoff And Jitter". */
export function backoffMs(retry: number, baseMs: number, maxMs: number, random: () => number = Math.random): number {
  return Math.round(random() * Math.min(maxMs, baseMs * 2 ** Math.min(retry - 1, 40)));
}

/** The deliveries in the database: made once, claimed by one process at a time, in order, with everything that failed known. */
@Injectable()
export class DeliveryQueue {
  readonly #dataSource: DataSource;
  readonly #rules: DeliveryRules;

  constructor(dataSource: DataSource, @Inject(DELIVERY_RULES) rules: DeliveryRules) {
    this.#dataSource = dataSource;
    this.#rules = rules;
  }

  /** Adds deliveries inside the caller's transaction; those that exist already stay as they are. Gives how many are new. */
  async add(manager: EntityManager, deliveries: readonly NewDelivery[]): Promise<number> {
    if (deliveries.length === 0) return 0;
    const rows = deliveries.map((delivery) => this.#row(delivery));
    const keys = rows.map((row) => row.order_key);
    await lockKeys(manager, keys);
    const added = await manager.query<unknown[]>(sql.INSERT, [JSON.stringify(rows)]);
    await manager.query(sql.PROMOTE, [[...new Set(keys)]]);
    await manager.query(sql.USE_DESTINATIONS, [[...new Set(rows.map((row) => row.destination))]]);
    return added.length;
  }

  /** Takes due deliveries, at most `limit`; `busy` says how many to each destination run here already. */
  async claim(limit: number, busy: ReadonlyMap<string, number>): Promise<ClaimedDelivery[]> {
    const rows = await this.#dataSource.query<ClaimedRow[]>(sql.CLAIM, [
      limit,
      [...busy.keys()],
      [...busy.values()],
      this.#rules.destinationConcurrency,
      this.#rules.leaseMs,
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
      settings: row.channel_settings,
      message: row.message,
      attempt: row.attempts,
    }));
  }

  /** Records what an attempt gave. `stale`: somebody else has the delivery by now, and only the attempt is recorded. */
  async finish(delivery: ClaimedDelivery, outcome: Outcome, durationMs: number): Promise<FinishResult> {
    const result = await this.#dataSource.transaction(async (manager) => {
      await lockKeys(manager, [delivery.orderKey]);
      await manager.query(sql.FINISH_ATTEMPT, [
        delivery.id,
        delivery.attempt,
        durationMs,
        outcome.result === 'failed' ? 'failed' : outcome.result === 'refused' ? 'refused' : 'succeeded',
        outcome.responseStatus ?? null,
        'error' in outcome ? outcome.error : null,
      ]);
      const finished = await this.#finishDelivery(manager, delivery, outcome);
      if (finished !== 'stale' && finished !== 'retrying') await manager.query(sql.PROMOTE, [[delivery.orderKey]]);
      await manager.query(sql.SETTLE_DESTINATION, [
        delivery.destination,
        outcome.result === 'failed' && outcome.unreachable,
        this.#rules.breakerFailures,
        this.#rules.breakerOpenMs,
      ]);
      return finished;
    });
    if (outcome.result === 'refused' && outcome.gone === true && result === 'dead') await this.#disable(delivery);
    return result;
  }

  /** Ends everything open of a callback, or of the short form of an execution. */
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
   * Opens a dead letter again with all its retries. `not_dead` when it is none; `disabled` when its callback is deleted
   * or disabled.
   */
  async redrive(tenantId: string, id: string): Promise<'redriven' | 'not_found' | 'not_dead' | 'disabled'> {
    return this.#dataSource.transaction(async (manager) => {
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
    });
  }

  /** Lets the next channel take over where one was not successful in its time. Gives how many did. */
  async fallBack(): Promise<number> {
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
          },
        ];
      });
      return this.add(manager, next);
    });
  }

  /** Makes dead letters of what could not be delivered in time. Gives how many. */
  async giveUp(): Promise<number> {
    return this.#dataSource.transaction(async (manager) => {
      const rows = await manager.query<{ id: string; order_key: string }[]>(sql.TOO_OLD);
      if (rows.length === 0) return 0;
      const keys = rows.map((row) => row.order_key);
      await lockKeys(manager, keys);
      await manager.query(sql.CLOSE, [rows.map((row) => row.id), 'not delivered in the time there was', true]);
      await manager.query(sql.PROMOTE, [[...new Set(keys)]]);
      return rows.length;
    });
  }

  /** Removes what is finished and older than it is kept, a bounded number of each at a time. */
  async sweep(): Promise<void> {
    for (const statement of sql.SWEEPS) await this.#dataSource.query(statement, [this.#rules.keepMs]);
  }

  async #finishDelivery(
    manager: EntityManager,
    { id, attempt, type }: ClaimedDelivery,
    outcome: Outcome,
  ): Promise<FinishResult> {
    const answer = [outcome.responseStatus ?? null, outcome.responseBody ?? null] as const;
    if (!('error' in outcome)) {
      // Only an inbox can still be answered by its user; a server that took an email has it.
      const waits = type === 'websocket' && outcome.result === 'sent';
      const [, count] = await manager.query<[unknown, number]>(sql.SUCCEED, [
        id,
        attempt,
        outcome.result,
        waits,
        ...answer,
      ]);
      return count === 0 ? 'stale' : outcome.result;
    }
    const retries = outcome.result === 'failed';
    const [rows] = await manager.query<[{ open: boolean }[], number]>(sql.FAIL, [
      id,
      attempt,
      retries,
      outcome.error,
      ...answer,
      this.#delays(outcome),
    ]);
    const [row] = rows;
    if (row === undefined) return 'stale';
    return row.open ? 'retrying' : 'dead';
  }

  /** Milliseconds to wait after each number of retries made, drawn now. */
  #delays(outcome: Outcome): number[] {
    const { retryBaseMs, retryMaxMs } = this.#rules;
    const asked = outcome.result === 'failed' ? Math.min(outcome.retryAfterMs ?? 0, retryMaxMs) : 0;
    return Array.from({ length: 51 }, (_, made) => Math.max(asked, backoffMs(made + 1, retryBaseMs, retryMaxMs)));
  }

  async #disable({ callbackId, executionId }: ClaimedDelivery): Promise<void> {
    const reason = 'the destination answered with 410: gone';
    if (callbackId === null) {
      await this.#dataSource.query(sql.SHORT_FORM_GONE, [executionId]);
      await this.closeAll({ shortFormOf: executionId }, reason, true);
    } else {
      await this.#dataSource.query(sql.DISABLE_CALLBACK, [callbackId, reason]);
      await this.closeAll({ callbackId }, reason, true);
    }
  }

  #row(delivery: NewDelivery) {
    const [channel, ...fallback] = delivery.channels;
    const target = targetOf(channel, delivery.userId);
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
      destination: destinationOf(channel, delivery.tenantId),
      order_key: createHash('sha256')
        .update(JSON.stringify([delivery.executionId, channel.type, target]))
        .digest('base64url'),
      give_up_after_ms: this.#rules.giveUpMs,
    };
  }
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
}

/** Whoever opens or closes a delivery of an order holds its lock, so that exactly one of them schedules the next. */
async function lockKeys(manager: EntityManager, keys: readonly string[]): Promise<void> {
  await manager.query(sql.LOCK_ORDER, [[...new Set(keys)]]);
}
