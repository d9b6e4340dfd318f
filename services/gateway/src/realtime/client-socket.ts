import type { Duplex } from 'node:stream';
import type { Logger } from '@batuta/observability';
import type { WebSocket } from 'ws';
import type { Identity } from '../auth/authenticator.js';
import { CLOSE } from './close-codes.js';

/** Longest closing handshake before the connection is cut, in milliseconds. */
const CLOSE_GRACE_MS = 5_000;

interface ClientSocketOptions {
  readonly ws: WebSocket;
  /** The TCP connection under `ws`. */
  readonly connection: Duplex;
  readonly identity: Identity;
  readonly logger: Logger;
  /** With more unsent bytes than this, a live client is too slow. */
  readonly bufferBytes: number;
  onClose(socket: ClientSocket): void;
  onTooSlow(): void;
}

/** One WebSocket client, with bounded sending, pings, and one way to close. */
export class ClientSocket {
  readonly #options: ClientSocketOptions;
  readonly identity: Identity;
  readonly #ws: WebSocket;
  readonly #connection: Duplex;
  readonly #closed = new AbortController();
  #alive = true;
  #flushed: Promise<void> = Promise.resolve();
  #cut: NodeJS.Timeout | undefined;
  /** The time of the next ping, in epoch milliseconds. The registry sets it. */
  nextPingAt = 0;

  constructor(options: ClientSocketOptions) {
    this.#options = options;
    this.identity = options.identity;
    this.#ws = options.ws;
    this.#connection = options.connection;
    this.#ws.on('pong', () => {
      this.#alive = true;
    });
    this.#ws.on('error', (error) => options.logger.debug({ err: error }, 'websocket'));
    this.#ws.once('close', () => {
      clearTimeout(this.#cut);
      this.#closed.abort();
      options.onClose(this);
    });
  }

  /** Whether nothing more can be sent. */
  get closed(): boolean {
    return this.#ws.readyState !== this.#ws.OPEN;
  }

  /** Aborted when the connection is gone. */
  get signal(): AbortSignal {
    return this.#closed.signal;
  }

  get ws(): WebSocket {
    return this.#ws;
  }

  /** Sends texts (UTF-8) in one write. Closes the client instead if it has too many unsent bytes already. */
  send(texts: readonly Buffer[]): void {
    if (this.closed) return;
    if (this.#connection.writableLength > this.#options.bufferBytes) {
      this.#options.onTooSlow();
      this.close(CLOSE.tooSlow, 'too slow: come back with from_version after the last version received');
      return;
    }
    this.#connection.cork();
    for (const text of texts) this.#ws.send(text, { binary: false });
    this.#connection.uncork();
  }

  /** Resolves when the system has accepted everything that was sent, or when the connection is closed. */
  async drained(): Promise<void> {
    if (this.#connection.writableLength === 0) return;
    this.#flushed = new Promise((resolve) => {
      const done = (): void => {
        this.#connection.removeListener('drain', check);
        this.signal.removeEventListener('abort', done);
        resolve();
      };
      const check = (): void => {
        if (this.#connection.writableLength === 0) done();
      };
      // Below the high-water mark a stream emits no drain event, and the small rest does not matter.
      if (!this.#connection.writableNeedDrain || this.closed) {
        resolve();
        return;
      }
      this.#connection.on('drain', check);
      this.signal.addEventListener('abort', done, { once: true });
    });
    await this.#flushed;
  }

  /** Closes the connection with a code and a reason of at most 123 bytes. Cuts it when the client does not respond. */
  close(code: number, reason: string): void {
    if (this.#cut !== undefined || this.#ws.readyState === this.#ws.CLOSED) return;
    this.#cut = setTimeout(() => this.#ws.terminate(), CLOSE_GRACE_MS);
    this.#cut.unref();
    this.#ws.close(code, Buffer.from(reason).subarray(0, 123).toString());
  }

  terminate(): void {
    this.#ws.terminate();
  }

  /** Sends a ping. Cuts off a client that has not answered the previous one. */
  ping(): void {
    if (this.closed) return;
    if (!this.#alive) {
      this.#ws.terminate();
      return;
    }
    this.#alive = false;
    this.#ws.ping();
  }
}
