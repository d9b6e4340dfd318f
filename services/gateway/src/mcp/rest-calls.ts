import type { IncomingMessage } from 'node:http';
import type { JsonObject } from '@batuta/contracts';
import type { FastifyInstance } from 'fastify';
import { isJsonObject } from '../dto/checked.js';

/** The client of an MCP request, as the routes of the API see it. */
export interface RestCaller {
  readonly headers: Readonly<Record<string, string>>;
  readonly remoteAddress: string;
}

export interface RestRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With its query. */
  readonly url: string;
  readonly body?: JsonObject | undefined;
  readonly idempotencyKey?: string | undefined;
  readonly ifMatch?: string | undefined;
  /** Ends the wait for the answer. */
  readonly signal?: AbortSignal | undefined;
}

export interface RestAnswer {
  readonly ok: boolean;
  /** Undefined when the answer is a text. */
  readonly body: JsonObject | undefined;
  readonly text: string;
}

/** Headers of the client that the routes read. */
const PASSED = ['authorization', 'host', 'x-forwarded-for', 'traceparent', 'user-agent'] as const;

export function callerOf({ headers, socket }: IncomingMessage, requestId: string): RestCaller {
  const passed = PASSED.flatMap((name) => {
    const value = headers[name];
    return typeof value === 'string' ? [[name, value] as const] : [];
  });
  return {
    headers: { ...Object.fromEntries(passed), 'x-request-id': requestId },
    remoteAddress: socket.remoteAddress ?? '127.0.0.1',
  };
}

/**
 * Calls routes of the API within the process, with the key of the MCP client. So a tool is checked, limited, audited and
 * traced as the same request over HTTP.
 */
export class RestCalls {
  readonly #fastify: Pick<FastifyInstance, 'inject'>;

  constructor(fastify: Pick<FastifyInstance, 'inject'>) {
    this.#fastify = fastify;
  }

  async call({ headers, remoteAddress }: RestCaller, request: RestRequest): Promise<RestAnswer> {
    const { method, url, body, idempotencyKey, ifMatch, signal } = request;
    const response = await this.#fastify.inject({
      method,
      url,
      remoteAddress,
      headers: {
        ...headers,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
        ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
      },
      ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
    const text = response.body;
    const isJson = /^application\/(?:problem\+)?json\b/.test(String(response.headers['content-type'] ?? ''));
    const parsed: unknown = isJson && text !== '' ? JSON.parse(text) : undefined;
    return {
      ok: response.statusCode < 400,
      body: isJsonObject(parsed as never) ? (parsed as JsonObject) : undefined,
      text,
    };
  }
}
