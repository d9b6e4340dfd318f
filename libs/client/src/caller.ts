import { Answer } from './answer.js';
import type { FullAnswer } from './answer.js';
import { ConnectionError, NotModifiedError, ProblemError, UnexpectedAnswerError } from './errors.js';
import { OPERATIONS } from './generated/operations.js';
import type { OperationId } from './generated/operations.js';
import type { Problem } from './generated/schemas.js';
import { Pages } from './pages.js';
import { pause } from './pause.js';

/** Options of every call, in addition to the call's own options. */
export interface CallOptions {
  /** Ends the call. It then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds without an answer after which an attempt is given up. Default: the client's. */
  readonly timeoutMs?: number | undefined;
  /** Additional headers, such as `x-request-id`. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** The HTTP request of an operation, generated from OpenAPI. */
export interface OperationSpec {
  readonly method: string;
  readonly path: string;
  readonly query: readonly string[];
  readonly headers: readonly string[];
  /** Media type of the body. */
  readonly media?: string;
  /** For paged lists: the field with the items. */
  readonly items?: string;
}

interface OperationRequest {
  readonly path: Readonly<Record<string, string | number>>;
  readonly body?: unknown;
  readonly options?: CallOptions | undefined;
}

export interface RetryOptions {
  /** Total number of attempts. */
  readonly attempts: number;
  /** Milliseconds before the second attempt. Each further pause is random and at most twice the previous one. */
  readonly backoffMs: number;
  /** Milliseconds of the longest pause. If `Retry-After` asks for a longer one, the refusal is thrown. */
  readonly maxBackoffMs: number;
}

interface CallerOptions {
  readonly url: string;
  readonly apiKey: string | undefined;
  readonly fetch: typeof fetch;
  readonly timeoutMs: number;
  readonly retry: RetryOptions;
  readonly headers: Readonly<Record<string, string>>;
}

/** A request in the form in which it is sent. */
export interface RawRequest {
  readonly method: string;
  /** Includes the query. */
  readonly path: string;
  readonly body?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

const OPTION_OF_HEADER: Readonly<Record<string, string>> = {
  'If-Match': 'ifMatch',
  'If-None-Match': 'ifNoneMatch',
  'Idempotency-Key': 'idempotencyKey',
  traceparent: 'traceparent',
};

/**
 * Statuses after which the same request may be sent again: nothing was done, or a key keeps it from being done twice.
 */
const PASSING: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** Milliseconds requested by a `Retry-After` header, which has seconds or a date. */
function retryAfterOf(header: string | null): number | undefined {
  if (header === null) return undefined;
  if (/^\d+$/.test(header)) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}

/**
 * Sends operations. It authenticates, adds a key to POSTs, retries when that is safe, and turns refusals into errors.
 */
export class Caller {
  readonly #options: CallerOptions;

  constructor(options: CallerOptions) {
    this.#options = options;
  }

  get url(): string {
    return this.#options.url;
  }

  get apiKey(): string | undefined {
    return this.#options.apiKey;
  }

  call<T>(operation: OperationId, request: OperationRequest): Answer<T> {
    return new Answer(this.#ask<T>(OPERATIONS[operation], request));
  }

  pages<P extends { readonly next_cursor: string | null }, I>(
    operation: OperationId,
    request: OperationRequest,
  ): Pages<P, I> {
    const spec: OperationSpec = OPERATIONS[operation];
    const next = (cursor: string): Promise<FullAnswer<P>> => {
      // A cursor marks the beginning of the page, so an offset must not be sent too.
      const { offset: _offset, ...options } = (request.options ?? {}) as Record<string, unknown>;
      return this.#ask<P>(spec, { ...request, options: { ...options, cursor } as CallOptions });
    };
    return new Pages<P, I>(
      this.#ask<P>(spec, request),
      next,
      (page) => (page as unknown as Record<string, readonly I[]>)[spec.items ?? ''] ?? [],
    );
  }

  async #ask<T>(spec: OperationSpec, { path, body, options = {} }: OperationRequest): Promise<FullAnswer<T>> {
    const given = options as Record<string, unknown>;
    const target = spec.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(path[name])));
    const query = new URLSearchParams(
      spec.query.flatMap((name): [string, string][] => {
        const value = given[name];
        if (value === undefined) return [];
        return (Array.isArray(value) ? (value as unknown[]) : [value]).map((one) => [name, String(one)]);
      }),
    ).toString();
    const headers: Record<string, string> = { ...options.headers };
    for (const header of spec.headers) {
      const value = given[OPTION_OF_HEADER[header] ?? ''];
      if (typeof value === 'string') headers[header.toLowerCase()] = value;
    }
    // With its own key, a POST takes effect once, however often it must be sent.
    const keyed = spec.headers.includes('Idempotency-Key');
    if (keyed) headers['idempotency-key'] ??= crypto.randomUUID();
    if (spec.media !== undefined && body !== undefined) headers['content-type'] ??= spec.media;
    const request: RawRequest = {
      method: spec.method,
      path: query === '' ? target : `${target}?${query}`,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: options.signal,
      timeoutMs: options.timeoutMs,
    };
    return await this.#attempts<T>(request, spec.method === 'GET' || keyed);
  }

  async #attempts<T>(request: RawRequest, repeatable: boolean): Promise<FullAnswer<T>> {
    const { attempts, backoffMs, maxBackoffMs } = this.#options.retry;
    const what = `${request.method} ${request.path}`;
    let limit = backoffMs;
    for (let attempt = 1; ; attempt += 1) {
      let problem: ProblemError | UnexpectedAnswerError | ConnectionError;
      try {
        const response = await this.send(request);
        if (response.status === 304) throw new NotModifiedError(what);
        if (response.ok) return await fullAnswer<T>(what, response);
        problem = await refusalOf(what, response);
        if (!PASSING.has(response.status)) throw problem;
      } catch (error) {
        if (!(error instanceof ConnectionError)) throw error;
        problem = error;
      }
      const wait = 'retryAfterMs' in problem ? problem.retryAfterMs : undefined;
      if (!repeatable || attempt >= attempts || (wait ?? 0) > maxBackoffMs) throw problem;
      await pause(wait ?? Math.random() * limit, request.signal);
      limit = Math.min(limit * 2, maxBackoffMs);
    }
  }

  /**
   * Sends a request once and returns the answer, whatever its status.
   * @throws ConnectionError when there is no answer; the signal's reason when the signal ended the call.
   */
  async send({ method, path, body, headers, signal, timeoutMs }: RawRequest): Promise<Response> {
    const { url, apiKey, fetch: ask, headers: own, timeoutMs: usual } = this.#options;
    signal?.throwIfAborted();
    const limit = AbortSignal.timeout(timeoutMs ?? usual);
    try {
      return await ask(`${url}${path}`, {
        method,
        headers: { ...own, ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }), ...headers },
        signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
        ...(body === undefined ? {} : { body }),
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw new ConnectionError(`${method} ${path}`, { cause: error });
    }
  }
}

async function textOf(what: string, response: Response): Promise<string> {
  try {
    return await response.text();
  } catch (error) {
    throw new ConnectionError(what, { cause: error });
  }
}

async function fullAnswer<T>(what: string, response: Response): Promise<FullAnswer<T>> {
  const text = await textOf(what, response);
  const isJson = /^application\/(.+\+)?json\b/.test(response.headers.get('content-type') ?? '');
  let data: unknown = text;
  if (isJson) {
    try {
      data = JSON.parse(text);
    } catch {
      throw new UnexpectedAnswerError(what, response.status, text);
    }
  }
  const { status, headers } = response;
  const etag = headers.get('etag') ?? undefined;
  return { data: data as T, status, headers, etag, requestId: headers.get('x-request-id') ?? undefined };
}

async function refusalOf(what: string, response: Response): Promise<ProblemError | UnexpectedAnswerError> {
  const text = await textOf(what, response);
  const retryAfterMs = retryAfterOf(response.headers.get('retry-after'));
  if (response.headers.get('content-type')?.startsWith('application/problem+json') === true) {
    try {
      return new ProblemError(what, JSON.parse(text) as Problem, retryAfterMs);
    } catch {
      // The connection was cut. The status is reported below.
    }
  }
  return new UnexpectedAnswerError(what, response.status, text, retryAfterMs);
}
