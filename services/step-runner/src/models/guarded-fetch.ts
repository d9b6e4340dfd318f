import type { GuardedClient } from '@batuta/outbound-http';
import type { PlatformContext } from '@batuta/worker';
import { callOrFail } from '../agents/http.js';

/** An answer of a model has at most so many bytes, the rest of its JSON included. */
const LARGEST_ANSWER = 4 * 1024 * 1024;

/**
 * `fetch` for the adapters, by the platform's rules for calls that users name. A call that may have been paid for is never sent
 * twice. Throws an agent's errors, which the adapters let pass.
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
        // A conversation is for the server of its model.
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
