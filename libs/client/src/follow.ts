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
  /** Called each time a connection breaks, with the reason, before it is made again. */
  readonly onBreak?: ((reason: string) => void) | undefined;
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

/** How a connection ended. */
interface Ended {
  readonly code: number;
  readonly reason: string;
}

/** One connection: its messages in order, then how it ended. */
class Connection<Message> {
  readonly #socket: WebSocketLike;
  readonly #waiting: Message[] = [];
  #ended: Ended | undefined;
  #full = false;
  #wake: () => void = () => undefined;

  constructor(WebSocket: WebSocketConstructor, url: string, protocols: string[]) {
    this.#socket = new WebSocket(url, protocols);
    this.#socket.addEventListener('message', ({ data }) => {
      if (this.#full) return;
      this.#waiting.push(JSON.parse(String(data)) as Message);
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

  /** Whether it was ended because its messages were not read as fast as they came. */
  get full(): boolean {
    return this.#full;
  }

  /** The next message, or how the connection ended. Rejects with the signal's reason. */
  async next(signal: AbortSignal | undefined): Promise<{ readonly message: Message } | { readonly ended: Ended }> {
    const stop = (): void => this.#wake();
    signal?.addEventListener('abort', stop, { once: true });
    try {
      for (;;) {
        signal?.throwIfAborted();
        const message = this.#waiting.shift();
        if (message !== undefined) return { message };
        if (this.#ended !== undefined) return { ended: this.#ended };
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

/** What is listened to over a WebSocket that is made again when it breaks. */
interface Listening<Message> {
  readonly path: string;
  /** The query of the next connection: it goes on behind what was read. */
  readonly query: () => string;
  /** Takes note of a message. False: it was read before. */
  readonly read: (message: Message) => boolean;
  readonly executionId: string;
}

/**
 * Messages of a WebSocket, over any breaks of it, until its normal end.
 * @throws ProblemError when the platform refuses it; ConnectionError after `maxReconnects` breaks in a row.
 */
export async function* listen<Message>(
  caller: Caller,
  WebSocket: WebSocketConstructor,
  { path, query, read, executionId }: Listening<Message>,
  { signal, maxReconnects = 20, onBreak }: Pick<FollowOptions, 'signal' | 'maxReconnects' | 'onBreak'>,
): AsyncGenerator<Message, void, undefined> {
  const protocols = ['batuta.v1', ...(caller.apiKey === undefined ? [] : [`batuta.bearer.${caller.apiKey}`])];
  let breaks = 0;
  for (;;) {
    signal?.throwIfAborted();
    const connection = new Connection<Message>(
      WebSocket,
      `${caller.url.replace(/^http/, 'ws')}${path}${query()}`,
      protocols,
    );
    let end: Ended;
    try {
      for (;;) {
        const got = await connection.next(signal);
        if ('ended' in got) {
          end = got.ended;
          break;
        }
        breaks = 0;
        if (read(got.message)) yield got.message;
      }
    } finally {
      connection.close();
    }
    if (connection.full) continue;
    if (end.code === NORMAL) return;
    // A refusal has its words in REST. So has a connection that never was: the standard WebSocket does not say why.
    if (REFUSED(end.code) || breaks === 0) await readable(caller, executionId, signal);
    breaks += 1;
    if (REFUSED(end.code) || breaks > maxReconnects) {
      throw new ConnectionError(`WebSocket ${path}`, { cause: new Error(`closed with ${end.code} ${end.reason}`) });
    }
    onBreak?.(`closed with ${end.code} ${end.reason}`.trimEnd());
    await pause(Math.random() * Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** breaks), signal);
  }
}

/**
 * An execution's events, past ones first, then as they happen, until the last one. A connection that breaks is made again and
 * goes on behind the last event that was read.
 * @throws ProblemError when the platform refuses it; ConnectionError after `maxReconnects` breaks in a row.
 */
export function followExecution(
  caller: Caller,
  WebSocket: WebSocketConstructor,
  id: string,
  { fromVersion = 1, ...options }: FollowOptions,
): AsyncGenerator<Event, void, undefined> {
  let next = fromVersion;
  return listen<Event>(
    caller,
    WebSocket,
    {
      path: `/ws/executions/${encodeURIComponent(id)}/monitor`,
      query: () => `?from_version=${next}`,
      read({ version }) {
        next = version + 1;
        return true;
      },
      executionId: id,
    },
    options,
  );
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
