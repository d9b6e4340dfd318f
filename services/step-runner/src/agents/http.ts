import type { JsonValue } from '@batuta/contracts';
import { addressRefusal, AnswerTooLargeError, InvalidCallError } from '@batuta/outbound-http';
import type { CallAnswer, CallOptions, GuardedClient } from '@batuta/outbound-http';
import { RetryableError, TerminalError } from './agent.js';
import type { Agent, AgentContext } from './agent.js';
import { Parameters, wrong } from './parameters.js';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const DEFAULT_MAX_BYTES = 256 * 1024;
const LARGEST_MAX_BYTES = 900 * 1024;
/** Answers after which the same call may succeed later. */
const RETRYABLE_STATUS = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Makes one HTTP call; fails when the answer's code is not an expected one. */
export function httpAgent(client: GuardedClient): Agent {
  return {
    name: 'http',
    version: '1',
    async run(input, context) {
      const parameters = new Parameters(input);
      const url = urlOf(parameters);
      const method = (parameters.text('method', { maxLength: 16 }) ?? 'GET').toUpperCase();
      if (!METHODS.includes(method)) throw wrong('method', `must be one of ${METHODS.join(', ')}`);
      const body = parameters.raw('body');
      const expected = expectedCodes(parameters);
      const headers: Record<string, string> = {
        ...(body === undefined || typeof body === 'string' ? {} : { 'content-type': 'application/json' }),
        ...(method === 'GET' || method === 'HEAD' ? {} : { 'idempotency-key': context.idempotencyKey }),
        ...headersOf(parameters),
      };
      const answer = await callOrFail(
        client,
        {
          url,
          method,
          headers,
          body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
          signal: context.signal,
          maxBytes:
            parameters.number('max_bytes', { min: 1, max: LARGEST_MAX_BYTES, whole: true }) ?? DEFAULT_MAX_BYTES,
          maxRedirects: parameters.number('max_redirects', { min: 0, max: 20, whole: true }) ?? 5,
        },
        context,
      );
      const content = bodyOf(answer);
      if (!expected(answer.status)) {
        const message = `${method} ${url} was answered with ${answer.status}, which is not an expected code.`;
        const details = { status: answer.status, body: excerpt(content), url: answer.url };
        throw RETRYABLE_STATUS.has(answer.status)
          ? new RetryableError('http_status', message, { details })
          : new TerminalError('http_status', message, { details });
      }
      return {
        status: answer.status,
        url: answer.url,
        redirects: answer.redirects,
        latency_ms: answer.latencyMs,
        headers: answer.headers,
        body: content,
      };
    },
  };
}

/** A call whose failures are those of an agent: what the caller got wrong is terminal, what the network did is retryable. */
export async function callOrFail(
  client: GuardedClient,
  options: CallOptions,
  context: Pick<AgentContext, 'beginCall'>,
): Promise<CallAnswer> {
  const call = context.beginCall(options.method, addressOf(options));
  const { traceparent } = call;
  const headers = traceparent === '' ? options.headers : { traceparent, ...options.headers };
  try {
    const answer = await client.call({ ...options, headers });
    const code = String(answer.status);
    call.end({ 'http.response.status_code': answer.status }, answer.status >= 400 ? code : undefined);
    return answer;
  } catch (error) {
    call.end({}, error instanceof Error ? error.name : 'error');
    options.signal.throwIfAborted();
    const { message } = error as Error;
    const refused = addressRefusal(error);
    if (refused !== undefined) {
      throw new TerminalError(
        'address_refused',
        `The address may not be called: ${refused}. Addresses that are not public are allowed by BATUTA_RUNNER_ALLOWED_ADDRESSES.`,
      );
    }
    if (error instanceof InvalidCallError) {
      throw new TerminalError('input_invalid', `The HTTP call is not possible: ${message}.`);
    }
    if (error instanceof AnswerTooLargeError) {
      throw new TerminalError('response_too_large', `The HTTP call failed: ${message} (max_bytes).`);
    }
    throw new RetryableError('http_unreachable', `${hostOf(options.url)} cannot be reached: ${reasonOf(error)}.`, {
      cause: error,
    });
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  const { code } = error as { code?: unknown };
  return error.message === '' ? (typeof code === 'string' ? code : error.name) : error.message;
}

/** Where a call goes. Path and query may hold what is secret. */
function addressOf({ url, method }: CallOptions): Record<string, string | number> {
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

function urlOf(parameters: Parameters): string {
  const text = parameters.text('url', { maxLength: 8_000 });
  if (text === undefined) throw wrong('url', 'is missing');
  const query = parameters.object('query');
  if (query === undefined || !URL.canParse(text)) return text;
  const url = new URL(text);
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one === null) continue;
      if (typeof one === 'object') throw wrong('query', 'must hold texts, numbers, booleans or lists of them');
      url.searchParams.append(name, String(one));
    }
  }
  return url.href;
}

function headersOf(parameters: Parameters): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(parameters.object('headers') ?? {})) {
    if (typeof value !== 'string' && typeof value !== 'number') throw wrong('headers', `has no text for ${name}`);
    headers[name.toLowerCase()] = String(value);
  }
  return headers;
}

function expectedCodes(parameters: Parameters): (status: number) => boolean {
  const list = parameters.list('expected_codes');
  if (list === undefined) return (status) => status >= 200 && status < 300;
  const codes = list.map((item) => {
    const text = typeof item === 'number' || typeof item === 'string' ? String(item).toLowerCase() : '';
    if (!/^[1-5](\d\d|xx)$/.test(text)) throw wrong('expected_codes', 'must hold codes like 200 or "2xx"');
    return text;
  });
  return (status) => codes.some((code) => code === String(status) || code === `${String(status)[0]}xx`);
}

/** The body as JSON when it says that it is and it is, else as text; what is no UTF-8 as Base64. */
export function bodyOf(answer: CallAnswer): JsonValue {
  if (answer.body.length === 0) return null;
  const type = answer.headers['content-type'] ?? '';
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(answer.body);
  } catch {
    return { base64: answer.body.toString('base64') };
  }
  if (/[/+]json\b/i.test(type)) {
    try {
      return JSON.parse(text) as JsonValue;
    } catch {
      return text;
    }
  }
  return text;
}

function excerpt(content: JsonValue): string {
  return (typeof content === 'string' ? content : JSON.stringify(content)).slice(0, 500);
}
