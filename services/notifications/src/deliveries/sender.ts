import type { CallbackType } from '@batuta/contracts';
import { NO_TRACING, counter, gauge, histogram, traceparentOf } from '@batuta/observability';
import type { Logger, Tracing } from '@batuta/observability';
import { reasonOf } from '../channels/channel.js';
import type { Channel, Outcome } from '../channels/channel.js';
import { attemptSpan, attemptSpanId, traceOf } from './attempt-span.js';
import type { ClaimedDelivery, DeliveryQueue } from './delivery-queue.js';

const attempts = counter(
  'batuta_notifications_attempts_total',
  'Attempts to deliver, by channel and what came of them (delivered, sent, retrying, dead or stale)',
  ['channel', 'outcome'],
);
const duration = histogram('batuta_notifications_attempt_seconds', 'Time that one attempt took, by channel', [
  'channel',
]);
const inFlight = gauge('batuta_notifications_deliveries_in_flight', 'Attempts under way now');
const fallbacks = counter('batuta_notifications_fallbacks_total', 'Times that a fallback channel took over');

const SWEEP_MS = 60_000;

export interface SenderOptions {
  readonly queue: DeliveryQueue;
  readonly channels: readonly Channel[];
  readonly logger: Logger;
  readonly concurrency: number;
  readonly attemptTimeoutMs: number;
  /** How often due deliveries are looked for without a wake-up. */
  readonly dueMs: number;
  /** Default: nothing is traced. */
  readonly tracing?: Tracing;
}

/** Attempts what is due: bounded in all and for each destination, so that a dead one delays no other. */
export class Sender {
  readonly #options: SenderOptions;
  readonly #channels: ReadonlyMap<CallbackType, Channel>;
  readonly #running = new Set<Promise<void>>();
  readonly #busy = new Map<string, number>();
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
    this.#loops = Promise.all([this.#loop(), this.#every(this.#options.dueMs, () => this.#fallBack())]);
  }

  /** Looks for due deliveries at once. */
  wake(): void {
    this.#woken = true;
    this.#wake();
  }

  /** Claims nothing more and waits for the attempts under way; they are bounded by the attempt's time. */
  async close(): Promise<void> {
    this.#stopping.abort();
    this.wake();
    await this.#loops;
    await Promise.all(this.#running);
  }

  /** Removes what is too old, every minute; also gives up what could not be delivered in its time. */
  async #loop(): Promise<void> {
    let sweepAt = Date.now();
    while (!this.#stopping.signal.aborted) {
      this.#woken = false;
      let claimed = 0;
      try {
        claimed = await this.#claim();
        if (Date.now() >= sweepAt) {
          sweepAt = Date.now() + SWEEP_MS;
          while ((await this.#options.queue.giveUp()) > 0) this.#stopping.signal.throwIfAborted();
          await this.#options.queue.sweep();
        }
      } catch (error) {
        if (!this.#stopping.signal.aborted)
          this.#options.logger.error({ err: error }, 'looking for due deliveries failed');
      }
      if (claimed === 0) await this.#pause(this.#options.dueMs);
    }
  }

  async #every(ms: number, work: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await work();
      } catch (error) {
        this.#options.logger.error({ err: error }, 'letting fallbacks take over failed');
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, ms);
        function done(): void {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          resolve();
        }
        signal.addEventListener('abort', done, { once: true });
        if (signal.aborted) done();
      });
    }
  }

  async #fallBack(): Promise<void> {
    // While there are some more become due: taken at once they go out evenly, not all of a pause's together.
    while (!this.#stopping.signal.aborted) {
      const taken = await this.#options.queue.fallBack();
      if (taken === 0) return;
      fallbacks.inc(taken);
      this.wake();
    }
  }

  async #claim(): Promise<number> {
    const free = this.#options.concurrency - this.#running.size;
    if (free <= 0) return 0;
    const claimed = await this.#options.queue.claim(free, this.#busy);
    for (const delivery of claimed) {
      this.#busy.set(delivery.destination, (this.#busy.get(delivery.destination) ?? 0) + 1);
      const attempt = this.#attempt(delivery).finally(() => {
        this.#running.delete(attempt);
        const left = (this.#busy.get(delivery.destination) ?? 1) - 1;
        if (left === 0) this.#busy.delete(delivery.destination);
        else this.#busy.set(delivery.destination, left);
        inFlight.set(this.#running.size);
        this.wake();
      });
      this.#running.add(attempt);
    }
    inFlight.set(this.#running.size);
    return claimed.length;
  }

  async #attempt(delivery: ClaimedDelivery): Promise<void> {
    const { logger, queue } = this.#options;
    const startedAt = performance.now();
    const startAt = Date.now();
    try {
      const outcome = await this.#send(delivery);
      const ms = performance.now() - startedAt;
      duration.observe({ channel: delivery.type }, ms / 1000);
      const result = await queue.finish(delivery, outcome, Math.round(ms * 100) / 100);
      attempts.inc({ channel: delivery.type, outcome: result });
      const traceId = this.#tracing.enabled ? traceOf(delivery) : undefined;
      if (traceId !== undefined) {
        this.#tracing.record(attemptSpan(traceId, delivery, outcome, result, { startAt, endAt: startAt + ms }));
      }
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
    } catch (error) {
      // Its lease ends and it is attempted again.
      logger.error({ err: error, delivery_id: delivery.id }, 'an attempt could not be recorded');
    }
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
