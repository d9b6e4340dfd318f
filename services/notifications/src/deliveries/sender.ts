import type { CallbackType } from '@batuta/contracts';
import { NO_TRACING, counter, gauge, histogram, traceparentOf } from '@batuta/observability';
import type { Logger, Tracing } from '@batuta/observability';
import { setTimeout as delay } from 'node:timers/promises';
import { reasonOf } from '../channels/channel.js';
import { announce } from '../inbox/inbox-entry.js';
import type { Channel, Outcome } from '../channels/channel.js';
import { attemptSpan, attemptSpanId, backoffSpan, traceOf } from './attempt-span.js';
import type { AttemptedDelivery } from './attempt-span.js';
import type { AddedDeliveries, ClaimedDelivery } from './delivery.js';
import type { DeliveryQueue } from './delivery-queue.js';
import type { FinishResult } from './attempt-outcome.js';

const attempts = counter(
  'batuta_notifications_attempts_total',
  'Attempts to deliver, by channel and outcome (delivered, sent, retrying, dead or stale)',
  ['channel', 'outcome'],
);
const duration = histogram('batuta_notifications_attempt_seconds', 'Duration of an attempt, by channel', ['channel']);
const inFlight = gauge('batuta_notifications_deliveries_in_flight', 'Attempts that run now');
const fallbacks = counter('batuta_notifications_fallbacks_total', 'Times that a fallback channel took over');

const SWEEP_MS = 60_000;
/** Milliseconds between two checks for due fallbacks. */
const FALLBACK_PAUSE_MS = 50;

interface SenderOptions {
  readonly queue: DeliveryQueue;
  readonly channels: readonly Channel[];
  /** Notifies the gateways. */
  readonly publish: (subject: string, payload: string) => void;
  readonly logger: Logger;
  readonly concurrency: number;
  readonly attemptTimeoutMs: number;
  /** How often it looks for due deliveries without a wake-up. */
  readonly dueMs: number;
  /** Default: no tracing. */
  readonly tracing?: Tracing;
}

/**
 * Attempts due deliveries. The number of attempts is limited in all and for each destination, so that a dead
 * destination does not delay others.
 */
export class Sender {
  readonly #options: SenderOptions;
  readonly #channels: ReadonlyMap<CallbackType, Channel>;
  readonly #running = new Set<Promise<void>>();
  /** Running attempts, by destination and by tenant. */
  readonly #busy = new Map<string, number>();
  readonly #busyTenants = new Map<string, number>();
  readonly #stopping = new AbortController();
  readonly #tracing: Tracing;
  #wake: () => void = () => undefined;
  #woken = false;
  #loops: Promise<unknown> = Promise.resolve();

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#tracing = options.tracing ?? NO_TRACING;
    this.#channels = new Map(options.channels.map((channel) => [channel.type, channel]));
  }

  start(): void {
    this.#loops = Promise.all([this.#loop(), this.#fallBackForEver()]);
  }

  /** Sends new deliveries, and announces those that are in an inbox already. Both must be committed. */
  added({ waiting, atOnce }: AddedDeliveries): void {
    if (waiting > 0) this.wake();
    for (const { entry, settings, message } of atOnce) {
      announce(this.#options.publish, entry);
      attempts.inc({ channel: 'websocket', outcome: 'sent' });
      const attempted = { ...entry, type: 'websocket', attempt: 1, settings, message } as const;
      const times = { startAt: entry.createdAt, endAt: Date.now() };
      this.#record(attempted, { result: 'sent' }, 'sent', times);
    }
  }

  /** Looks for due deliveries at once. */
  wake(): void {
    this.#woken = true;
    this.#wake();
  }

  /** Claims nothing more and waits for the running attempts, which have a time limit. */
  async close(): Promise<void> {
    this.#stopping.abort();
    this.wake();
    await this.#loops;
    await Promise.all(this.#running);
  }

  /** Every minute, removes old rows and gives up deliveries that could not be sent in time. */
  async #loop(): Promise<void> {
    let sweepAt = Date.now();
    while (!this.#stopping.signal.aborted) {
      this.#woken = false;
      let more = false;
      try {
        more = await this.#claim();
        if (Date.now() >= sweepAt) {
          sweepAt = Date.now() + SWEEP_MS;
          while ((await this.#options.queue.giveUp()) > 0) this.#stopping.signal.throwIfAborted();
          await this.#options.queue.sweep();
        }
      } catch (error) {
        if (!this.#stopping.signal.aborted) {
          this.#options.logger.error({ err: error }, 'looking for due deliveries failed');
        }
      }
      if (!more) await this.#pause(this.#options.dueMs);
    }
  }

  /** Starts fallbacks when they are due. */
  async #fallBackForEver(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      let pause = this.#options.dueMs;
      try {
        const { nextMs, ...added } = await this.#options.queue.fallBack();
        fallbacks.inc(added.made);
        this.added(added);
        // Wait a little, so that fallbacks that become due shortly after each other are taken together, but not so long
        // that a new one is late.
        if (nextMs !== undefined) pause = Math.min(pause, Math.max(nextMs, FALLBACK_PAUSE_MS));
      } catch (error) {
        this.#options.logger.error({ err: error }, 'letting fallbacks take over failed');
      }
      await delay(pause, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Starts attempts of due deliveries. Returns whether there may be more that have free places. */
  async #claim(): Promise<boolean> {
    const { concurrency } = this.#options;
    const free = concurrency - this.#running.size;
    if (free <= 0) return false;
    const claimed = await this.#options.queue.claim(free, this.#busy, this.#busyTenants);
    for (const delivery of claimed) {
      count(this.#busy, delivery.destination, 1);
      count(this.#busyTenants, delivery.tenantId, 1);
      const attempt = this.#attempt(delivery).then((nextIsDue) => {
        // An inbox has no limit, so no delivery waited for the end of this attempt.
        if (nextIsDue || delivery.type !== 'websocket' || this.#running.size >= concurrency) this.wake();
        this.#running.delete(attempt);
        count(this.#busy, delivery.destination, -1);
        count(this.#busyTenants, delivery.tenantId, -1);
        inFlight.set(this.#running.size);
      });
      this.#running.add(attempt);
    }
    inFlight.set(this.#running.size);
    return claimed.length === free;
  }

  /** Never rejects. Returns whether its end made another delivery due. */
  async #attempt(delivery: ClaimedDelivery): Promise<boolean> {
    const { logger, queue } = this.#options;
    const startedAt = performance.now();
    const startAt = Date.now();
    this.#recordBackoff(delivery, startAt);
    try {
      const outcome = await this.#send(delivery);
      const ms = performance.now() - startedAt;
      duration.observe({ channel: delivery.type }, ms / 1000);
      const { result, nextIsDue } = await queue.finish(delivery, outcome, Math.round(ms * 100) / 100);
      attempts.inc({ channel: delivery.type, outcome: result });
      this.#record(delivery, outcome, result, { startAt, endAt: startAt + ms });
      const line = {
        delivery_id: delivery.id,
        execution_id: delivery.executionId,
        trace_id: traceOf(delivery),
        channel: delivery.type,
        attempt: delivery.attempt,
        status: outcome.responseStatus,
        reason: 'error' in outcome ? outcome.error : undefined,
        result,
      };
      if (result === 'dead') logger.warn(line, 'a callback could not be delivered');
      else logger.debug(line, 'callback attempted');
      return nextIsDue;
    } catch (error) {
      // Its lease expires, and another attempt follows.
      logger.error({ err: error, delivery_id: delivery.id }, 'an attempt could not be recorded');
      return false;
    }
  }

  #recordBackoff(delivery: ClaimedDelivery, endAt: number): void {
    const traceId = this.#tracing.enabled ? traceOf(delivery) : undefined;
    const span = traceId === undefined ? undefined : backoffSpan(traceId, delivery, endAt);
    if (span !== undefined) this.#tracing.record(span);
  }

  #record(
    delivery: AttemptedDelivery,
    outcome: Outcome,
    result: FinishResult,
    times: { readonly startAt: number; readonly endAt: number },
  ): void {
    const traceId = this.#tracing.enabled ? traceOf(delivery) : undefined;
    if (traceId !== undefined) this.#tracing.record(attemptSpan(traceId, delivery, outcome, result, times));
  }

  async #send(delivery: ClaimedDelivery): Promise<Outcome> {
    const channel = this.#channels.get(delivery.type);
    if (channel === undefined) {
      return { result: 'refused', error: `${delivery.type} is not set up on this platform any more` };
    }
    const limit = new AbortController();
    const { attemptTimeoutMs } = this.#options;
    const timer = setTimeout(() => limit.abort(new Error(`no answer within ${attemptTimeoutMs} ms`)), attemptTimeoutMs);
    try {
      return await channel.send({ ...delivery, traceparent: this.#traceparent(delivery), signal: limit.signal });
    } catch (error) {
      this.#options.logger.error({ err: error, delivery_id: delivery.id }, 'a channel broke');
      return { result: 'failed', unreachable: false, error: reasonOf(error) };
    } finally {
      clearTimeout(timer);
    }
  }

  #traceparent(delivery: ClaimedDelivery): string | undefined {
    const traceId = this.#tracing.enabled ? traceOf(delivery) : undefined;
    return traceId === undefined
      ? undefined
      : traceparentOf(traceId, attemptSpanId(traceId, delivery), this.#tracing.sampled(traceId));
  }

  #pause(ms: number): Promise<void> {
    if (this.#woken) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#wake = () => undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#wake = done;
    });
  }
}

function count(counts: Map<string, number>, key: string, more: number): void {
  const total = (counts.get(key) ?? 0) + more;
  if (total === 0) counts.delete(key);
  else counts.set(key, total);
}
