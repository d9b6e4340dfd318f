import { BatutaClient } from '@batuta/client';
import { WebSocket } from 'ws';
import { documentedFetch } from './documented.js';

export interface Answer<T = Record<string, unknown>> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

/**
 * A platform as tests ask it. `client` is the typed client; the rest sends what no client would, and answers with status and
 * body whatever they are. Every answer has to be as docs/openapi.json says.
 */
export class Api {
  readonly client: BatutaClient;

  constructor(
    readonly url: string,
    readonly key: string,
  ) {
    // What is refused is refused at once: tests say themselves what may be tried again.
    this.client = new BatutaClient({ url, apiKey: key, WebSocket, fetch: documentedFetch, retry: { attempts: 1 } });
  }

  async call<T = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer<T>> {
    const response = await this.client.send({
      method,
      path,
      body: body === undefined ? undefined : JSON.stringify(body),
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: (text === '' ? {} : JSON.parse(text)) as T,
    };
  }

  get<T = Record<string, unknown>>(path: string): Promise<Answer<T>> {
    return this.call<T>('GET', path);
  }

  post<T = Record<string, unknown>>(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer<T>> {
    return this.call<T>('POST', path, body, headers);
  }
}

/** Throws when the answer does not have the status, showing what it said instead. */
export function expectStatus<T>(answer: Answer<T>, status: number): T {
  if (answer.status !== status) {
    throw new Error(`expected ${status}, got ${answer.status}: ${JSON.stringify(answer.body)}`);
  }
  return answer.body;
}
