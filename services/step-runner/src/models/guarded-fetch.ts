import { FAILURE_CODES } from '@batuta/contracts';
import type { GuardedClient } from '@batuta/outbound-http';
import { RetryableError } from '@batuta/worker';
import type { PlatformContext } from '@batuta/worker';
import { callOrFail, openOrFail } from '../agents/http.js';

/** Largest answer of a model in bytes, including the rest of its JSON. */
const LARGEST_ANSWER = 4 * 1024 * 1024;
/** The same of one that comes in pieces, each with JSON of its own around it. */
const LARGEST_STREAM = 64 * 1024 * 1024;

interface ModelFetchOptions {
  /** Whether answers are read as they come. */
  readonly streams: boolean;
  /** An answer that has begun and of which nothing more has come for so long has stalled, milliseconds. */
  readonly idleMs: number;
}

/**
 * `fetch` for the adapters, with the platform's rules for calls to users' addresses. A call that may cost money is
 * never sent twice. Throws an agent's errors, which the adapters pass on.
 */
export function guardedFetch(
  client: GuardedClient,
  context: PlatformContext,
  { streams, idleMs }: ModelFetchOptions,
): typeof fetch {
  return async (input, init = {}) => {
    const url = input instanceof Request ? input.url : String(input);
    const headers = Object.fromEntries(new Headers(init.headers).entries());
    const { body, method = 'GET', signal } = init;
    const call = {
      url,
      method,
      headers,
      body: typeof body === 'string' ? body : undefined,
      // A conversation is for the server of its model.
      originBody: true,
      signal: signal ?? context.signal,
      maxRedirects: 3,
      repeatable: false,
    };
    if (streams) {
      const answer = await openOrFail(client, { ...call, maxBytes: LARGEST_STREAM }, context);
      return new Response(withoutStalls(answer.body, idleMs), {
        status: answer.status,
        headers: ofTheBody(answer.headers),
      });
    }
    const answer = await callOrFail(client, { ...call, maxBytes: LARGEST_ANSWER }, context);
    return new Response(new Uint8Array(answer.body), { status: answer.status, headers: ofTheBody(answer.headers) });
  };
}

/** The body is decoded already. */
const NOT_OF_THE_BODY = new Set(['content-encoding', 'content-length', 'transfer-encoding']);

const ofTheBody = (headers: Readonly<Record<string, string>>): [string, string][] =>
  Object.entries(headers).filter(([name]) => !NOT_OF_THE_BODY.has(name));

/** The same body; it fails when nothing comes for `idleMs`. */
function withoutStalls(body: ReadableStream<Uint8Array>, idleMs: number): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        let timer: NodeJS.Timeout | undefined;
        const stalled = new Promise<never>((_, reject) => {
          timer = setTimeout(() => {
            const message = `The model stalled: nothing of its answer came for ${idleMs} ms (BATUTA_RUNNER_MODEL_IDLE).`;
            reject(new RetryableError(FAILURE_CODES.modelStalled, message));
          }, idleMs);
        });
        try {
          const { done, value } = await Promise.race([reader.read(), stalled]);
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          void reader.cancel(error).catch(() => undefined);
          throw error;
        } finally {
          clearTimeout(timer);
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}
