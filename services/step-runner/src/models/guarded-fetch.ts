import type { GuardedClient } from '@batuta/outbound-http';
import type { PlatformContext } from '@batuta/worker';
import { callOrFail } from '../agents/http.js';

/** Largest answer of a model in bytes, including the rest of its JSON. */
const LARGEST_ANSWER = 4 * 1024 * 1024;

/**
 * `fetch` for the adapters, with the platform's rules for calls to users' addresses. A call that may cost money is
 * never sent twice. Throws an agent's errors, which the adapters pass on.
 */
export function guardedFetch(client: GuardedClient, context: PlatformContext): typeof fetch {
  return async (input, init = {}) => {
    const url = input instanceof Request ? input.url : String(input);
    const headers = Object.fromEntries(new Headers(init.headers).entries());
    const { body, method = 'GET', signal } = init;
    const answer = await callOrFail(
      client,
      {
        url,
        method,
        headers,
        body: typeof body === 'string' ? body : undefined,
        // The conversation must reach only the model's own server.
        originBody: true,
        signal: signal ?? context.signal,
        maxBytes: LARGEST_ANSWER,
        maxRedirects: 3,
        repeatable: false,
      },
      context,
    );
    return new Response(new Uint8Array(answer.body), {
      status: answer.status,
      headers: Object.entries(answer.headers).filter(([name]) => !NOT_OF_THE_BODY.has(name)),
    });
  };
}

/** The body is decoded already. */
const NOT_OF_THE_BODY = new Set(['content-encoding', 'content-length', 'transfer-encoding']);
