import type { Caller } from './caller.js';
import { ConnectionError, ProblemError } from './errors.js';
import type { Event, ExecutionView } from './generated/schemas.js';
import { pause } from './pause.js';

/** As much of the standard WebSocket as is used here; browsers, Node.js 22 and the package `ws` have it. */
export interface WebSocketLike {
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: 'close', listener: (event: { readonly code: number; readonly reason: string }) => void): void;
  addEventListener(type: 'open' | 'error', listener: () => void): void;
  close(code?: number): void;
}
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

export interface FollowOptions {
  /** The first event wanted. Default 1, the first one of all. */
  readonly fromVersion?: number | undefined;
  /** Ends the iteration; it throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Connections that break one after another, without an event between them, before it gives up. Default 20. */
  readonly maxReconnects?: number | undefined;
}

/** Events that wait for the caller. A connection with more is ended and made again when they are read: what it sent is in the log. */
const MAX_WAITING = 1_000;
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5_000;
const NORMAL = 1000;
/** 4000 + an HTTP status below 500 is a refusal, which comes again when asked again; but for too many, and for who was too slow. */
const REFUSED = (code: number): boolean => code >= 4400 && code < 4500 && code !== 4408 && code !== 4429;

/** One connection: its events in order, then how it ended. */
class Connection {
  readonly #socket: WebSocketLike;
  readonly #waiting: Event[] = [];
  #ended: { readonly code: number; readonly reason: string } | undefined;
  #full = false;
  #wake: () => void = () => undefined;

  constructor(WebSocket: WebSocketConstructor, url: string, protocols: string[]) {
    this.#socket = new WebSocket(url, protocols);
    this.#socket.addEventListener('message', ({ data }) => {
      if (this.#full) return;
      this.#waiting.push(JSON.parse(String(data)) as Event);
      if (this.#waiting.length >= MAX_WAITING) {
        this.#full = true;
        this.#socket.close();
      }
      this.#wake();
    });
    // What follows an error is always a close, which says more.
    this.#socket.addEventListener('error', () => undefined);
    this.#socket.addEventListener('close', ({ code, reason }) => {
      this.#ended = { code, reason };
      this.#wake();
    });
  }

  /** Whether it was ended because its events were not read as fast as they came. */
  get full(): boolean {
    return this.#full;
  }

  /** The next event, or how the connection ended. Rejects with the signal's reason. */
  async next(signal: AbortSignal | undefined): Promise<Event | { readonly code: number; readonly reason: string }> {
    const stop = (): void => this.#wake();
    signal?.addEventListener('abort', stop, { once: true });
    try {
      for (;;) {
        signal?.throwIfAborted();
        const event = this.#waiting.shift();
        if (event !== undefined) return event;
        if (this.#ended !== undefined) return this.#ended;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  close(): void {
    if (this.#ended === undefined) this.#socket.close();
  }
}

/**
 * An execution's events, past ones first, then as they happen, until the last one. A connection that breaks is made again and
 * goes on behind the last event that was read.
 * @throws ProblemError when the platform refuses it; ConnectionError after `maxReconnects` breaks in a row.
 */
export async function* followExecution(
  caller: Caller,
  WebSocket: WebSocketConstructor,
  id: string,
  { fromVersion = 1, signal, maxReconnects = 20 }: FollowOptions,
): AsyncGenerator<Event, void, undefined> {
  const path = `/ws/executions/${encodeURIComponent(id)}/monitor`;
  const protocols = ['batuta.v1', ...(caller.apiKey === undefined ? [] : [`batuta.bearer.${caller.apiKey}`])];
  let next = fromVersion;
  let breaks = 0;
  for (;;) {
    signal?.throwIfAborted();
    const url = `${caller.url.replace(/^http/, 'ws')}${path}?from_version=${next}`;
    const connection = new Connection(WebSocket, url, protocols);
    let end: { readonly code: number; readonly reason: string };
    try {
      for (;;) {
        const got = await connection.next(signal);
        if ('code' in got) {
          end = got;
          break;
        }
        breaks = 0;
        next = got.version + 1;
        yield got;
      }
    } finally {
      connection.close();
    }
    if (connection.full) continue;
    if (end.code === NORMAL) return;
    // A refusal has its words in REST. So has a connection that never was: the standard WebSocket does not say why.
    if (REFUSED(end.code) || breaks === 0) await readable(caller, id, signal);
    breaks += 1;
    if (REFUSED(end.code) || breaks > maxReconnects) {
      throw new ConnectionError(`WebSocket ${path}`, { cause: new Error(`closed with ${end.code} ${end.reason}`) });
    }
    await pause(Math.random() * Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** breaks), signal);
  }
}

/** @throws ProblemError when the platform refuses that the execution is read or followed; nothing when it does not answer now. */
async function readable(caller: Caller, id: string, signal: AbortSignal | undefined): Promise<void> {
  let execution: ExecutionView;
  try {
    execution = await caller.call<ExecutionView>('executions.get', { path: { id }, options: { signal } });
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof ProblemError) || error.code === 'unavailable') return;
    throw error;
  }
  if (execution.enable_monitoring !== false) return;
  throw new ProblemError(`WebSocket /ws/executions/${id}/monitor`, {
    type: 'urn:batuta:problem:not_monitored',
    title: 'Not monitored',
    status: 409,
    detail: 'The config of the execution keeps it out of live feeds (enable_monitoring).',
    code: 'not_monitored',
  });
}
