import type { Caller } from './caller.js';
import { ConnectionError, ProblemError } from './errors.js';
import type { Event, ExecutionView } from './generated/schemas.js';
import { pause } from './pause.js';

/** The part of the standard WebSocket that is used here. Browsers, Node.js 22 and the package `ws` provide it. */
export interface WebSocketLike {
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: 'close', listener: (event: { readonly code: number; readonly reason: string }) => void): void;
  addEventListener(type: 'open' | 'error', listener: () => void): void;
  close(code?: number): void;
}
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

export interface FollowOptions {
  /** The version of the first event. Default 1. */
  readonly fromVersion?: number | undefined;
  /** Ends the iteration, which then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Number of consecutive broken connections without an event after which it gives up. Default 20. */
  readonly maxReconnects?: number | undefined;
}

/**
 * Maximum number of events that wait for the caller. A connection with more is closed, and opened again when they were
 * read, because the log has all events.
 */
const MAX_WAITING = 1_000;
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5_000;
const NORMAL = 1000;
/**
 * 4000 + an HTTP status below 500 is a refusal, and a retry would be refused again. The exceptions are too many
 * requests and a reader that is too slow.
 */
const REFUSED = (code: number): boolean => code >= 4400 && code < 4500 && code !== 4408 && code !== 4429;

/** One connection: its events in order, then its end. */
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
    // An error is always followed by a close, which has more information.
    this.#socket.addEventListener('error', () => undefined);
    this.#socket.addEventListener('close', ({ code, reason }) => {
      this.#ended = { code, reason };
      this.#wake();
    });
  }

  /** Whether it was closed because its events were not read fast enough. */
  get full(): boolean {
    return this.#full;
  }

  /** The next event, or the end of the connection. Rejects with the signal's reason. */
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
 * The events of an execution: past events first, then new ones as they happen, until the last. When the connection
 * breaks, it reconnects and continues after the last event that was read.
 * @throws ProblemError when the platform refuses it; ConnectionError after `maxReconnects` consecutive breaks.
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
    // REST explains a refusal. It also explains a connection that never opened, because the standard WebSocket does not
    // give the reason.
    if (REFUSED(end.code) || breaks === 0) await readable(caller, id, signal);
    breaks += 1;
    if (REFUSED(end.code) || breaks > maxReconnects) {
      throw new ConnectionError(`WebSocket ${path}`, { cause: new Error(`closed with ${end.code} ${end.reason}`) });
    }
    await pause(Math.random() * Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** breaks), signal);
  }
}

/**
 * @throws ProblemError when the platform refuses to let the execution be read or followed. Returns normally when it
 * does not answer now.
 */
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
