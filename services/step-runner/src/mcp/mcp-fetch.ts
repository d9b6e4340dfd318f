import type { GuardedClient } from '@batuta/outbound-http';
import type { PlatformContext } from '@batuta/worker';
import { openOrFail } from '../agents/http.js';

/** Bytes of one answer of a server. A result is smaller than this, and a list of tools too. */
const LARGEST_ANSWER = 4 * 1024 * 1024;

/** What calls of a server need of an attempt, or of a request about a server. */
export type McpContext = Pick<PlatformContext, 'beginCall' | 'logger' | 'redact' | 'tenantId' | 'signal'>;

export interface McpFetchOptions {
  readonly headers: Readonly<Record<string, string>>;
  /** Called before the first byte of a call of a tool is sent. */
  readonly onCall: () => void;
  /** Called when the answer to a call of a tool ends before its result was certain to come. */
  readonly onBreak: (error: unknown) => void;
}

/**
 * `fetch` for the client of the protocol, with the platform's rules for calls to users' addresses. Nothing is sent twice,
 * and no redirect is followed: a server is where an admin says.
 */
export function mcpFetch(client: GuardedClient, context: McpContext, options: McpFetchOptions): typeof fetch {
  return async (input, init = {}) => {
    const url = input instanceof Request ? input.url : String(input);
    const { body, method = 'GET', signal } = init;
    const own = Object.fromEntries(new Headers(init.headers).entries());
    // A stream that nobody asked for: the client needs none, and each would hold a connection.
    if (method === 'GET' && own['last-event-id'] === undefined) return new Response(null, { status: 405 });
    const isCall = method === 'POST' && own['accept'] !== undefined && isToolCall(body);
    if (isCall) options.onCall();
    const answer = await openOrFail(
      client,
      {
        url,
        method,
        headers: { ...options.headers, ...own },
        body: typeof body === 'string' ? body : undefined,
        originBody: true,
        signal: signal == null ? context.signal : AbortSignal.any([signal, context.signal]),
        maxBytes: LARGEST_ANSWER,
        maxRedirects: 0,
        repeatable: false,
      },
      context,
    );
    const headers = Object.entries(answer.headers).filter(([name]) => !OF_THE_BODY.has(name));
    const { status } = answer;
    const without = status === 204 || status === 205 || status === 304;
    if (without) await answer.body.cancel();
    const watched = isCall ? watchedBody(answer.body, options.onBreak) : answer.body;
    return new Response(without ? null : watched, { status, headers });
  };
}

/** The body is decoded already. */
const OF_THE_BODY = new Set(['content-encoding', 'content-length', 'transfer-encoding']);

function isToolCall(body: unknown): boolean {
  if (typeof body !== 'string') return false;
  const { method } = JSON.parse(body) as { method?: unknown };
  return method === 'tools/call';
}

/** The same body. An error, or an end of an event stream without ids to go on from, is told. */
function watchedBody(body: ReadableStream<Uint8Array>, onBreak: (error: unknown) => void): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (!done) return controller.enqueue(value);
          controller.close();
          onBreak(undefined);
        } catch (error) {
          onBreak(error);
          throw error;
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}
