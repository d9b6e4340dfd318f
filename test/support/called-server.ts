import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface CalledRequest {
  /** Without the query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** The status of the answer. `earlier`: the number of earlier requests with this path. Default 200. */
export type AnswerOf = (path: string, earlier: number) => number;

/** A server on loopback that agents and webhooks call. It records the requests, and the test decides the answers. */
export class CalledServer {
  readonly #statusOf: AnswerOf;
  readonly #bodyOf: (path: string, earlier: number) => string;
  readonly requests: CalledRequest[] = [];
  /** Called by the test. Requests to /held wait for it. */
  release: () => void = () => undefined;
  readonly #released = new Promise<void>((resolve) => {
    this.release = resolve;
  });
  readonly #server: Server = createServer((request, response) => {
    this.#answer(request, response).catch((error: unknown) => response.destroy(error as Error));
  });

  constructor(
    statusOf: AnswerOf = () => 200,
    bodyOf: (path: string, earlier: number) => string = () => '{"said":"hello"}',
  ) {
    this.#statusOf = statusOf;
    this.#bodyOf = bodyOf;
  }

  /** Resolves with its URL. */
  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.release();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  to(path: string): CalledRequest[] {
    return this.requests.filter((request) => request.path === path);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const path = (request.url ?? '').split('?')[0] ?? '';
    const earlier = this.to(path).length;
    this.requests.push({ path, headers: request.headers, body });
    if (path === '/held') await this.#released;
    response.writeHead(this.#statusOf(path, earlier), { 'content-type': 'application/json' });
    response.end(this.#bodyOf(path, earlier));
  }
}
