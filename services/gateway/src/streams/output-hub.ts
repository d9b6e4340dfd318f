import { subjects } from '@batuta/contracts';
import type { OutputPublished } from '@batuta/contracts';
import { onReconnect } from '@batuta/messaging';
import type { Logger } from '@batuta/observability';
import type { NatsConnection, Subscription } from '@nats-io/nats-core';

/** Somebody who wants the partial output of an execution. */
export interface OutputListener {
  heard(output: OutputPublished): void;
  /** Something may have been missed. */
  missed(): void;
}

interface Listened {
  readonly listeners: Set<OutputListener>;
  readonly subscription: Subscription;
}

/** Partial output as it comes: one NATS subscription for each execution that somebody follows through this gateway. */
export class OutputHub {
  readonly #nats: NatsConnection;
  readonly #logger: Logger;
  readonly #listened = new Map<string, Listened>();
  readonly #forgetReconnect: () => void;

  constructor(nats: NatsConnection, logger: Logger) {
    this.#nats = nats;
    this.#logger = logger;
    this.#forgetReconnect = onReconnect(nats, () => {
      for (const { listeners } of this.#listened.values()) for (const listener of listeners) listener.missed();
    });
  }

  /** How many executions are listened to now. */
  get size(): number {
    return this.#listened.size;
  }

  /** Sends a listener the output of the execution's attempts from now on. The caller has checked the right to see it. The result ends it. */
  listen(executionId: string, listener: OutputListener): () => void {
    let listened = this.#listened.get(executionId);
    if (listened === undefined) {
      const listeners = new Set<OutputListener>();
      const subscription = this.#nats.subscribe(subjects.outputOf(executionId), {
        callback: (error, message) => {
          if (error !== null) {
            return this.#logger.warn({ err: error, execution_id: executionId }, 'output subscription');
          }
          let output: OutputPublished;
          try {
            output = message.json<OutputPublished>();
          } catch (unreadable) {
            return this.#logger.warn({ err: unreadable, execution_id: executionId }, 'partial output cannot be read');
          }
          for (const each of listeners) each.heard(output);
        },
      });
      this.#listened.set(executionId, (listened = { listeners, subscription }));
    }
    const { listeners, subscription } = listened;
    listeners.add(listener);
    return () => {
      if (!listeners.delete(listener) || listeners.size > 0) return;
      if (this.#listened.get(executionId)?.listeners === listeners) this.#listened.delete(executionId);
      if (!subscription.isClosed()) subscription.unsubscribe();
    };
  }

  close(): void {
    this.#forgetReconnect();
    for (const { subscription } of this.#listened.values()) if (!subscription.isClosed()) subscription.unsubscribe();
    this.#listened.clear();
  }
}
