import { BatutaClient } from '@batuta/client';
import { WebSocket } from 'ws';
import { documentedFetch } from './documented.js';

export interface Answer<T = Record<string, unknown>> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

/**
 * A platform as tests use it. `client` is the typed client. The other methods send requests that no client would send,
 * and return status and body whatever they are. Every answer must match docs/openapi.json.
 */
export class Api {
  readonly client: BatutaClient;

  constructor(
    readonly url: string,
    readonly key: string,
  ) {
    // No retries: a test itself decides which refusals it retries.
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

/** Throws, and shows the answer, when the answer has another status. */
export function expectStatus<T>(answer: Answer<T>, status: number): T {
  if (answer.status !== status) {
    throw new Error(`expected ${status}, got ${answer.status}: ${JSON.stringify(answer.body)}`);
  }
  return answer.body;
}
