import { Agent, request } from 'node:http';

/** An answer of the gateway. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** JSON over kept-alive connections: the leanest client Node has, so that little of the measured CPU is the client's. */
export class HttpClient {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 2048, scheduling: 'fifo' });
  readonly #target: URL;

  /** `url` is the gateway's base URL. */
  constructor(
    url: string,
    private readonly key: string,
  ) {
    this.#target = new URL(url);
  }

  /** Rejects when the connection is lost; every status resolves. */
  send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<HttpAnswer> {
    const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          agent: this.#agent,
          host: this.#target.hostname,
          port: this.#target.port,
          path,
          method,
          headers: {
            authorization: `Bearer ${this.key}`,
            ...(bytes === undefined ? {} : { 'content-type': 'application/json', 'content-length': bytes.length }),
            ...headers,
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.once('error', reject);
          // A server that is killed in the middle of its answer ends without 'end'.
          response.once('aborted', () => reject(new Error(`${path}: the answer was cut off`)));
          response.once('end', () => {
            const text = Buffer.concat(chunks).toString('utf8');
            resolve({ status: response.statusCode ?? 0, body: text === '' ? null : (JSON.parse(text) as unknown) });
          });
        },
      );
      sent.once('error', reject);
      sent.end(bytes);
    });
  }

  /** @throws Error when the status is another than the wanted one. */
  async expect(status: number, method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await this.send(method, path, body);
    if (answer.status !== status) {
      throw new Error(`${method} ${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    }
    return answer.body;
  }

  close(): void {
    this.#agent.destroy();
  }
}
