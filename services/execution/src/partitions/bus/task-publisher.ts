import { SlotMap } from '@batuta/collections';
import { LIMITS, headers as headerNames } from '@batuta/contracts';
import { newInbox } from '@batuta/messaging';
import type { Logger } from '@batuta/observability';
import { headers } from '@nats-io/transport-node';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import type { EngineCounters } from '../ports/counters.js';
import { STREAM_NOT_FOUND } from './jetstream-queue.js';
import type { ApiError } from './jetstream-queue.js';
import type { OutgoingTask, PublishOutcome } from '../ports/ports.js';

interface TaskPublisherParts {
  readonly connection: NatsConnection;
  readonly logger: Logger;
  readonly counters: Pick<EngineCounters, 'natsIn' | 'natsOut'>;
  /** A task is sent again when its acknowledgement takes longer. */
  readonly publishTimeoutMs?: number | undefined;
}

const NO_RESPONDERS = 503;
const REFUSAL_TOLD_MS = 5_000;
/** Tasks that are not accepted are offered again within two seconds. */
const UNANSWERED_LATELY_MS = 10_000;

interface Pending {
  readonly until: number;
  readonly done: (outcome: PublishOutcome) => void;
}

/** Puts tasks into the work queue. One inbox receives the acknowledgements, with many in flight. */
export class TaskPublisher {
  readonly #parts: TaskPublisherParts;
  readonly #inbox: string;
  readonly #pending = new SlotMap<number, Pending>();
  #next = 0;
  /** Since when no offered task was accepted, and why. */
  #refused: { reason: string; toldAt: number } | undefined;
  /** Since when no task has been acknowledged, and when an acknowledgement was last missed. */
  #unanswered: { readonly since: number; last: number } | undefined;

  constructor(parts: TaskPublisherParts) {
    this.#parts = parts;
    this.#inbox = newInbox(parts.connection);
    parts.connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => this.#acknowledged(error, message),
    });
  }

  close(): void {
    this.#pending.clear();
  }

  /** The stream is a new one, so what the old one did not answer says nothing. */
  renewed(): void {
    this.#unanswered = undefined;
  }

  /** `done` is called once, later. */
  publish(task: OutgoingTask, done: (outcome: PublishOutcome) => void): void {
    const { connection, counters, publishTimeoutMs = 2_000 } = this.#parts;

    const { tenantId, traceparent } = task.task;
    const text = JSON.stringify(task.task);
    // A character has at most three bytes, so only large tasks are measured.
    if (text.length * 3 > LIMITS.natsMaxPayloadBytes) {
      const limit = (connection.info?.max_payload ?? LIMITS.natsMaxPayloadBytes) - 4_096;
      if (Buffer.byteLength(text) > limit) return queueMicrotask(() => done('too_large'));
    }
    const meta = headers();
    meta.set(headerNames.messageId, task.messageId);
    meta.set(headerNames.tenant, tenantId);
    if (traceparent !== undefined) meta.set(headerNames.traceparent, traceparent);
    const id = this.#next++;
    this.#pending.set(id, { until: performance.now() + publishTimeoutMs, done });
    counters.natsOut += 1;
    try {
      connection.publish(task.subject, text, { headers: meta, reply: `${this.#inbox}.${id}` });
    } catch (error) {
      this.#pending.delete(id);
      this.#refuse(`it cannot be published: ${(error as Error).message}`);
      queueMicrotask(() => done('retry'));
    }
  }

  /** Why tasks are not accepted. */
  refusal(): string | undefined {
    return this.#refused?.reason;
  }

  unansweredMs(): number | undefined {
    const now = performance.now();
    const { since, last } = this.#unanswered ?? { since: now, last: -Infinity };
    // When no task is offered any more, silence says nothing about the stream.
    return now - last > UNANSWERED_LATELY_MS ? undefined : now - since;
  }

  #refuse(reason: string): void {
    const now = performance.now();
    this.#refused ??= { reason, toldAt: -Infinity };
    this.#refused.reason = reason;
    // One log line in a while, because every task is refused again and again.
    if (now - this.#refused.toldAt < REFUSAL_TOLD_MS) return;
    this.#refused.toldAt = now;
    this.#parts.logger.warn({ reason }, 'the work queue does not take a task');
  }

  #acknowledged(error: Error | null, message: Msg): void {
    if (error !== null) return;
    this.#parts.counters.natsIn += 1;
    const id = Number(message.subject.slice(this.#inbox.length + 1));
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    pending.done(this.#outcomeOf(message));
  }

  #outcomeOf(message: Msg): PublishOutcome {
    this.#unanswered = undefined;
    // No stream has this subject.
    if (message.data.length === 0 && message.headers?.code === NO_RESPONDERS) {
      this.#refuse('no stream takes it');
      return 'stream_missing';
    }
    const text = message.string();
    if (!text.includes('"error"')) return this.#taken();
    const { error } = JSON.parse(text) as { error?: ApiError };
    if (error === undefined) return this.#taken();
    this.#refuse(`JetStream answers ${error.err_code}: ${error.description ?? ''}`);
    return error.err_code === STREAM_NOT_FOUND ? 'stream_missing' : 'retry';
  }

  #taken(): PublishOutcome {
    this.#refused = undefined;
    return 'stored';
  }

  /** Ends the wait for acknowledgements that are late at this time, by `performance.now()`. */
  expire(now: number): void {
    for (const [id, pending] of this.#pending) {
      // Entries are in the order of sending, which is the order of their timeouts.
      if (pending.until > now) return;
      this.#pending.delete(id);
      if (now !== Infinity) (this.#unanswered ??= { since: now, last: now }).last = now;
      this.#refuse('JetStream does not answer');
      pending.done('retry');
    }
  }
}
