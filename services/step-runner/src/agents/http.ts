import type { JsonObject, JsonValue } from '@batuta/contracts';
import {
  addressRefusal,
  AnswerTooLargeError,
  GateBusyError,
  InvalidCallError,
  networkReason,
  UnreadableAnswerError,
} from '@batuta/outbound-http';
import type { CallAnswer, CallOptions, OpenAnswer, GuardedClient } from '@batuta/outbound-http';
import { defineAgent, invalidInput, RetryableError, TerminalError } from '@batuta/worker';
import type { Agent, JsonOf, PlatformContext } from '@batuta/worker';
import { answerBody } from './answer-body.js';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const DEFAULT_MAX_BYTES = 256 * 1024;
const LARGEST_MAX_BYTES = 900 * 1024;
/** After these statuses the same call may succeed later. */
const RETRYABLE_STATUS = new Set([408, 425, 429, 500, 502, 503, 504]);

const DEFAULT_MAX_REDIRECTS = 5;

const input = {
  type: 'object',
  required: ['url'],
  properties: {
    url: { type: 'string', maxLength: 8_000, description: 'http or https' },
    method: { type: 'string', maxLength: 16, default: 'GET', description: METHODS.join(', ') },
    headers: { type: 'object', description: 'texts by name; what is null is left out' },
    query: {
      type: 'object',
      description: 'what is null is left out. It is added to what the URL has, which stays as it is written',
    },
    body: {
      description:
        'a text, sent as `text/plain`; anything else, sent as JSON, or as a form where the header `Content-Type` is `application/x-www-form-urlencoded`',
    },
    expected_codes: { type: 'array', default: ['2xx'], description: 'such as `[200, "2xx"]`' },
    max_bytes: {
      type: 'integer',
      minimum: 1,
      maximum: LARGEST_MAX_BYTES,
      default: DEFAULT_MAX_BYTES,
      description: 'of the answer',
    },
    max_redirects: {
      type: 'integer',
      minimum: 0,
      maximum: 20,
      default: DEFAULT_MAX_REDIRECTS,
      description: 'that are followed',
    },
  },
} as const;

type Call = JsonOf<typeof input>;

const output = {
  type: 'object',
  properties: {
    status: { type: 'integer', description: 'of the answer' },
    url: { type: 'string', description: 'after redirects' },
    redirects: { type: 'integer' },
    latency_ms: { type: 'number' },
    headers: {
      type: 'object',
      description:
        'names in lower case; one that came several times has its values with commas between, and `set-cookie` is a list',
    },
    body: { description: 'JSON, text, `{"base64": "…"}` or null' },
  },
} as const;

export function httpAgent(client: GuardedClient): Agent<PlatformContext> {
  return defineAgent(
    'http',
    {
      description: 'Makes one HTTP call. Fails when the code of the answer is not an expected one.',
      input,
      output,
    },
    async (parameters, context: PlatformContext) => {
      const url = urlOf(parameters);
      const method = (parameters.method ?? 'GET').toUpperCase();
      if (!METHODS.includes(method)) throw invalidInput('method', `must be one of ${METHODS.join(', ')}`);
      const expected = expectedCodes(parameters);
      const own = headersOf(parameters);
      const { body, type } = bodyOf(parameters, own);
      const headers: Record<string, string> = {
        ...(type === undefined ? {} : { 'content-type': type }),
        ...(method === 'GET' || method === 'HEAD' ? {} : { 'idempotency-key': context.idempotencyKey }),
        ...own,
      };
      const answer = await callOrFail(
        client,
        {
          url,
          method,
          headers,
          body,
          signal: context.signal,
          maxBytes: parameters.max_bytes ?? DEFAULT_MAX_BYTES,
          maxRedirects: parameters.max_redirects ?? DEFAULT_MAX_REDIRECTS,
        },
        context,
      );
      const { value: content, problem } = answerBody(answer);
      if (!expected(answer.status)) {
        const message = `${method} ${url} was answered with ${answer.status}, which is not an expected code.`;
        const details = { status: answer.status, body: excerpt(content, context), url: answer.url };
        throw RETRYABLE_STATUS.has(answer.status)
          ? new RetryableError('http_status', message, { details })
          : new TerminalError('http_status', message, { details });
      }
      if (problem !== undefined) {
        throw new TerminalError('response_invalid', `The answer of ${hostOf(answer.url)} ${problem}.`, {
          details: { status: answer.status, content_type: answer.headers['content-type'] ?? '', url: answer.url },
        });
      }
      return {
        status: answer.status,
        url: answer.url,
        redirects: answer.redirects,
        latency_ms: answer.latencyMs,
        headers: { ...answer.headers, ...(answer.cookies.length === 0 ? {} : { 'set-cookie': [...answer.cookies] }) },
        body: content,
      };
    },
  );
}

/** A call that throws an agent's errors: terminal for mistakes of the caller, retryable for failures of the network. */
export async function callOrFail(
  client: GuardedClient,
  options: Omit<CallOptions, 'tenantId' | 'originHeaders'>,
  context: Pick<PlatformContext, 'beginCall' | 'logger' | 'redact' | 'tenantId'>,
): Promise<CallAnswer> {
  const call = context.beginCall(options.method, addressOf(options));
  try {
    const answer = await client.call(sentBy(options, context, call.traceparent));
    const code = String(answer.status);
    call.end({ 'http.response.status_code': answer.status }, answer.status >= 400 ? code : undefined);
    return answer;
  } catch (error) {
    call.end({}, error instanceof Error ? error.name : 'error');
    throw failureOfHttp(error, options, context);
  }
}

/** As `callOrFail`, with the body as it comes. What fails while it is read fails the same way. */
export async function openOrFail(
  client: GuardedClient,
  options: Omit<CallOptions, 'tenantId' | 'originHeaders' | 'longBody'>,
  context: Pick<PlatformContext, 'beginCall' | 'logger' | 'redact' | 'tenantId'>,
): Promise<OpenAnswer> {
  const call = context.beginCall(options.method, addressOf(options));
  const failed = (error: unknown): Error => {
    call.end({}, error instanceof Error ? error.name : 'error');
    return failureOfHttp(error, options, context);
  };
  try {
    const answer = await client.open(sentBy(options, context, call.traceparent));
    const code = answer.status >= 400 ? String(answer.status) : undefined;
    const reader = answer.body.getReader();
    const body = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          try {
            const { done, value } = await reader.read();
            if (!done) return controller.enqueue(value);
            call.end({ 'http.response.status_code': answer.status }, code);
            controller.close();
          } catch (error) {
            throw failed(error);
          }
        },
        async cancel(reason) {
          call.end({ 'http.response.status_code': answer.status }, 'cancelled');
          await reader.cancel(reason);
        },
      },
      { highWaterMark: 0 },
    );
    return { ...answer, body };
  } catch (error) {
    throw failed(error);
  }
}

function sentBy(
  options: Omit<CallOptions, 'tenantId' | 'originHeaders'>,
  context: Pick<PlatformContext, 'redact' | 'tenantId'>,
  traceparent: string,
): CallOptions {
  const headers = traceparent === '' ? options.headers : { traceparent, ...options.headers };
  const originHeaders = secretHeaders(options.headers, context);
  const { body } = options;
  // As with headers: what the config wrote for one host is not for another one that this one names.
  const originBody = options.originBody ?? (body !== undefined && context.redact(body) !== body);
  return { ...options, tenantId: context.tenantId, headers, originHeaders, originBody };
}

/** What an agent throws for what a call threw. */
function failureOfHttp(
  error: unknown,
  options: Pick<CallOptions, 'signal' | 'url'>,
  context: Pick<PlatformContext, 'logger'>,
): Error {
  if (options.signal.aborted) return options.signal.reason as Error;
  const { message } = error as Error;
  const refused = addressRefusal(error);
  if (refused !== undefined) {
    context.logger.warn({ host: hostOf(options.url), reason: refused.detail }, 'an address was refused to an agent');
    return new TerminalError(
      'address_refused',
      'The address may not be called. Addresses that are not public are allowed by BATUTA_RUNNER_ALLOWED_ADDRESSES.',
    );
  }
  if (error instanceof GateBusyError) {
    return new RetryableError('http_busy', `The HTTP call was not made: ${message}.`, { cause: error });
  }
  if (error instanceof InvalidCallError) {
    return new TerminalError('input_invalid', `The HTTP call is not possible: ${message}.`);
  }
  if (error instanceof AnswerTooLargeError) {
    return new TerminalError('response_too_large', `The HTTP call failed: ${message} (max_bytes).`);
  }
  if (error instanceof UnreadableAnswerError) {
    return new RetryableError('response_invalid', `The HTTP call to ${hostOf(options.url)} failed: ${message}.`, {
      cause: error,
    });
  }
  return new RetryableError('http_unreachable', `${hostOf(options.url)} cannot be reached: ${networkReason(error)}.`, {
    cause: error,
  });
}

/**
 * The headers that contain a secret. The config sends the secret to its own URL, and not to the target of a redirect.
 */
function secretHeaders(
  headers: Readonly<Record<string, string>>,
  { redact }: Pick<PlatformContext, 'redact'>,
): string[] {
  return Object.keys(headers).filter((name) => redact(`${name}: ${headers[name]}`) !== `${name}: ${headers[name]}`);
}

/** The address without path and query, because these may contain secrets. */
function addressOf({ url, method }: Pick<CallOptions, 'url' | 'method'>): Record<string, string | number> {
  if (!URL.canParse(url)) return { 'http.request.method': method };
  const { protocol, hostname, port } = new URL(url);
  return {
    'http.request.method': method,
    'url.scheme': protocol.slice(0, -1),
    'server.address': hostname,
    'server.port': port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
  };
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'the host';
}

function urlOf({ url: text, query }: Call): string {
  if (query === undefined || !URL.canParse(text)) return text;
  const url = new URL(text);
  const added = searchOf(query, 'query');
  // The existing query stays unchanged, because it may be signed.
  if (added !== '') url.search = url.search === '' ? added : `${url.search}&${added}`;
  return url.href;
}

/** Fields in the form of a query or an HTML form. */
function searchOf(fields: JsonObject, parameter: string): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one === null) continue;
      if (typeof one === 'object') throw invalidInput(parameter, 'must hold texts, numbers, booleans or lists of them');
      search.append(name, String(one));
    }
  }
  return search.toString();
}

function headersOf(parameters: Call): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [given, value] of Object.entries(parameters.headers ?? {})) {
    if (value === null) continue;
    if (typeof value === 'object') throw invalidInput('headers', `has no text for ${given}`);
    const name = given.toLowerCase();
    if (Object.hasOwn(headers, name)) {
      throw invalidInput('headers', `has ${name} twice: case does not tell headers apart`);
    }
    headers[name] = String(value);
  }
  return headers;
}

/**
 * The request body, and its type when the headers name none: a text unchanged, a form when the headers say so, else
 * JSON.
 */
function bodyOf({ body }: Call, headers: Readonly<Record<string, string>>): { body?: string; type?: string } {
  if (body === undefined || body === null) return {};
  const given = headers['content-type'];
  if (typeof body === 'string') return { body, ...(given === undefined ? { type: 'text/plain; charset=utf-8' } : {}) };
  if (/^\s*application\/x-www-form-urlencoded\b/i.test(given ?? '')) return { body: searchOf(formOf(body), 'body') };
  return { body: JSON.stringify(body), ...(given === undefined ? { type: 'application/json' } : {}) };
}

function formOf(body: JsonValue): JsonObject {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body;
  throw invalidInput('body', 'must be an object or a text when it is sent as a form');
}

function expectedCodes({ expected_codes: list }: Call): (status: number) => boolean {
  if (list === undefined) return (status) => status >= 200 && status < 300;
  const codes = list.map((item) => {
    const text = typeof item === 'number' || typeof item === 'string' ? String(item).toLowerCase() : '';
    if (!/^[1-5](\d\d|xx)$/.test(text)) throw invalidInput('expected_codes', 'must hold codes like 200 or "2xx"');
    return text;
  });
  return (status) => codes.some((code) => code === String(status) || code === `${String(status)[0]}xx`);
}

function excerpt(content: JsonValue, { redact }: Pick<PlatformContext, 'redact'>): string {
  return redact(typeof content === 'string' ? content : JSON.stringify(content)).slice(0, 500);
}
