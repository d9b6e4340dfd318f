import { SlotMap } from '@batuta/collections';
import type { Msg, MsgHdrs, NatsConnection, Payload } from '@nats-io/nats-core';
import { newInbox, onReconnect } from './connection.js';
import { JsonMessage, localHandler } from './local-delivery.js';

/** The answer to a request. */
export type Answer = Pick<Msg, 'string' | 'json'>;

/** How a request ended. `lost`: the connection was renewed or closed, so no answer will come. */
export type RequestOutcome = Answer | 'timeout' | 'no_responders' | 'lost';

const decoder = new TextDecoder();

class LocalAnswer implements Answer {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  string(): string {
    return this.#text;
  }

  json<T>(): T {
    return JSON.parse(this.#text) as T;
  }
}

interface Pending {
  readonly until: number;
  readonly settle: (outcome: RequestOutcome) => void;
}

const SWEEP_MS = 50;
const NO_RESPONDERS = 503;

/**
 * Sends requests over one subscription. The client's own `request` creates a timer, a promise chain and an error with
 * its stack for each request; this class does not. It looks for time-outs every 50 ms.
 */
class RequestMux {
  readonly #nc: NatsConnection;
  readonly #inbox: string;
  readonly #pending = new SlotMap<number, Pending>();
  #next = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(nc: NatsConnection) {
    this.#nc = nc;
    this.#inbox = newInbox(nc);
    nc.subscribe(`${this.#inbox}.*`, { callback: (error, message) => this.#answered(error, message) });
    onReconnect(nc, () => this.#settleAll());
    void nc.closed().then(() => this.#settleAll());
  }

  /**
   * Sends a request. `settle` is called at most once, after this call has returned, and never after the returned
   * function was called.
   */
  send(
    subject: string,
    payload: Payload | JsonMessage,
    headers: MsgHdrs | undefined,
    timeoutMs: number,
    settle: (outcome: RequestOutcome) => void,
  ): () => void {
    const id = this.#next++;
    const local = localHandler(this.#nc, subject);
    if (local === undefined) {
      const reply = `${this.#inbox}.${id}`;
      const written = payload instanceof JsonMessage ? payload.text() : payload;
      this.#nc.publish(subject, written, headers === undefined ? { reply } : { reply, headers });
    } else {
      const given = payload instanceof Uint8Array ? decoder.decode(payload) : payload;
      const reply = (answer: string): void => this.#pending.take(id)?.settle(new LocalAnswer(answer));
      // The handler runs after the caller has gone on, as it would for a message from the server. (`nextTick` costs one
      // AsyncResource less than a microtask.)
      process.nextTick(local, { payload: given, headers, reply });
    }
    this.#pending.set(id, { until: performance.now() + timeoutMs, settle });
    this.#timer ??= setInterval(() => this.#expire(), SWEEP_MS).unref();
    return () => this.#pending.delete(id);
  }

  #answered(error: Error | null, message: Msg): void {
    if (error !== null) return;
    const id = Number(message.subject.slice(this.#inbox.length + 1));
    const pending = this.#pending.take(id);
    if (pending === undefined) return;
    const unserved = message.data.length === 0 && message.headers?.code === NO_RESPONDERS;
    pending.settle(unserved ? 'no_responders' : message);
  }

  #expire(): void {
    const now = performance.now();
    for (const [id, { until, settle }] of this.#pending) {
      if (until > now) continue;
      this.#pending.delete(id);
      settle('timeout');
    }
    if (this.#pending.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #settleAll(): void {
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { settle } of pending) settle('lost');
  }
}

const muxes = new WeakMap<NatsConnection, RequestMux>();

/** Returns the mux of a connection, and creates it at the first call. */
export function requestMux(nc: NatsConnection): RequestMux {
  let mux = muxes.get(nc);
  if (mux === undefined) {
    mux = new RequestMux(nc);
    muxes.set(nc, mux);
  }
  return mux;
}
