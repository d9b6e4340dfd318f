import { Client } from 'undici';
import type { Dispatcher } from 'undici';

/** An answer of the gateway. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: unknown;
}

const OPTIONS = {
  pipelining: 1,
  // A waiting start answers when its execution ends: how long that may take is not for a timer of the client to say.
  headersTimeout: 0,
  bodyTimeout: 0,
};

/** Collects one answer; calls one of its two functions, once. */
class AnswerHandler implements Dispatcher.DispatchHandler {
  #status = 0;
  #first: Buffer | undefined;
  #rest: Buffer[] | undefined;

  constructor(
    private readonly answered: (answer: HttpAnswer) => void,
    private readonly failed: (error: Error) => void,
  ) {}

  // undici takes a handler without this method for one of its old interface.
  onRequestStart(): void {}

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    this.#status = status;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    // Nearly every answer comes in one piece, which needs no copy.
    if (this.#first === undefined) this.#first = chunk;
    else (this.#rest ??= []).push(chunk);
  }

  onResponseEnd(): void {
    const first = this.#first;
    const bytes = first === undefined || this.#rest === undefined ? first : Buffer.concat([first, ...this.#rest]);
    let body: unknown = null;
    try {
      if (bytes !== undefined) body = JSON.parse(bytes.toString('utf8'));
    } catch {
      this.failed(new TypeError(`an answer with status ${this.#status} is no JSON: ${bytes?.toString('utf8') ?? ''}`));
      return;
    }
    this.answered({ status: this.#status, body });
  }

  // Also for an answer that was cut off because its server was killed.
  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.failed(error);
  }
}

/**
 * JSON over kept-alive connections, with one request at a time on each, so that little of the measured CPU is the client's:
 * undici's `dispatch`, which makes no streams (docs/performance.md has what it was measured against).
 */
export class HttpClient {
  readonly #origin: string;
  readonly #headers: Readonly<Record<string, string>>;
  // What most requests send, as undici takes it without looking through an object.
  readonly #bare: string[];
  readonly #withBody: string[];
  readonly #connections: Client[] = [];
  // The last used one first: undici's own pool looks through all for a free one, and sets and clears timers of idle ones.
  readonly #idle: Client[] = [];

  /** `url` is the gateway's base URL. */
  constructor(url: string, key: string) {
    this.#origin = new URL(url).origin;
    this.#headers = { authorization: `Bearer ${key}` };
    this.#bare = Object.entries(this.#headers).flat();
    this.#withBody = [...this.#bare, 'content-type', 'application/json'];
  }

  /**
   * `headers` replace those that every request has. Rejects when the connection is lost, and with a TypeError when the answer
   * is no JSON; every status resolves.
   */
  send(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<HttpAnswer> {
    const options: Dispatcher.DispatchOptions = {
      path,
      method,
      headers: this.#headersOf(body, headers),
      body: body === undefined ? null : JSON.stringify(body),
    };
    return new Promise((resolve, reject) => {
      const connection = this.#idle.pop() ?? this.#connect();
      const handler = new AnswerHandler(
        (answer) => {
          this.#idle.push(connection);
          resolve(answer);
        },
        (error) => {
          // It connects anew when it is used again.
          this.#idle.push(connection);
          reject(error);
        },
      );
      connection.dispatch(options, handler);
    });
  }

  #connect(): Client {
    const connection = new Client(this.#origin, OPTIONS);
    this.#connections.push(connection);
    return connection;
  }

  #headersOf(body: unknown, headers: Readonly<Record<string, string>> | undefined): string[] {
    if (headers === undefined) return body === undefined ? this.#bare : this.#withBody;
    const type = body === undefined ? {} : { 'content-type': 'application/json' };
    return Object.entries({ ...this.#headers, ...type, ...headers }).flat();
  }

  /** Ends all connections; requests that are under way are rejected. */
  close(): void {
    for (const connection of this.#connections) void connection.destroy();
  }
}
