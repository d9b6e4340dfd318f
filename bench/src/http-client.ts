import { Client } from 'undici';
import type { Dispatcher } from 'undici';

/** An answer of the gateway. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: unknown;
}

const OPTIONS = {
  pipelining: 1,
  // A start with `wait` answers when its execution ends. The client must not limit that time.
  headersTimeout: 0,
  bodyTimeout: 0,
};

/** Collects one answer, and calls one of its two functions once. */
class AnswerHandler implements Dispatcher.DispatchHandler {
  readonly #answered: (answer: HttpAnswer) => void;
  readonly #failed: (error: Error) => void;
  #status = 0;
  #first: Buffer | undefined;
  #rest: Buffer[] | undefined;

  constructor(answered: (answer: HttpAnswer) => void, failed: (error: Error) => void) {
    this.#answered = answered;
    this.#failed = failed;
  }

  // Without this method, undici treats the handler as one of its old interface.
  onRequestStart(): void {}

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    this.#status = status;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    // Nearly every answer arrives in one piece, which need not be copied.
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
      this.#failed(new TypeError(`an answer with status ${this.#status} is no JSON: ${bytes?.toString('utf8') ?? ''}`));
      return;
    }
    this.#answered({ status: this.#status, body });
  }

  // Also called for an answer that was cut off because its server was killed.
  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#failed(error);
  }
}

/**
 * Sends JSON over kept-alive connections with one request at a time on each. It uses undici's `dispatch`, which creates
 * no streams, so that the client takes little of the measured CPU time (docs/performance.md has the comparison).
 */
export class HttpClient {
  readonly #origin: string;
  readonly #headers: Readonly<Record<string, string>>;
  // The headers of most requests, in a form that undici uses without walking an object.
  readonly #bare: string[];
  readonly #withBody: string[];
  readonly #connections: Client[] = [];
  // The connection that was used last comes first. undici's own pool searches all connections for a free one, and sets
  // and clears timers of idle ones.
  readonly #idle: Client[] = [];

  /** `url` is the gateway's base URL. */
  constructor(url: string, key: string) {
    this.#origin = new URL(url).origin;
    this.#headers = { authorization: `Bearer ${key}` };
    this.#bare = Object.entries(this.#headers).flat();
    this.#withBody = [...this.#bare, 'content-type', 'application/json'];
  }

  /**
   * `headers` replace the default headers. Resolves for every status. Rejects when the connection is lost, and with a
   * TypeError when the answer is not JSON.
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
          // The connection is opened again when it is used.
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

  /** Closes all connections. Running requests are rejected. */
  close(): void {
    for (const connection of this.#connections) void connection.destroy();
  }
}
