import { FAILURE_CODES } from '@batuta/contracts';
import type { JsonObject, Model } from '@batuta/contracts';
import { RetryableError, TerminalError } from '@batuta/worker';

const LONGEST_WORDS = 500;
/** A longer wait is ignored, and the step's own policy decides. */
const LONGEST_RETRY_AFTER_MS = 24 * 3_600_000;

/** Translates a provider's refusal into an agent's error: whether another attempt may succeed, and when. */
export function providerFailure(
  model: Model,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string,
): RetryableError | TerminalError {
  const { code, type, message } = wordsOf(body);
  const said = message === '' ? '' : `: ${message}`;
  const details: JsonObject = { status, ...(code === '' ? {} : { code }), ...(type === '' ? {} : { type }) };
  const what = `The provider of the model "${model.name}"`;
  const asked = `${code} ${type} ${message}`;
  if (status === 401 || status === 403) {
    return new TerminalError(FAILURE_CODES.modelKeyRefused, `${what} refuses its key${said}`, { details });
  }
  if (status === 402 || /insufficient_quota|billing|credit balance/i.test(asked)) {
    return new TerminalError(FAILURE_CODES.modelQuota, `${what} has no more quota for this key${said}`, { details });
  }
  if (
    status === 413 ||
    /context_length|context length|prompt is too long|maximum context|too many tokens/i.test(asked)
  ) {
    const numbers = (message.match(/\d[\d,]{2,}/g) ?? []).map((text) => Number(text.replaceAll(',', ''))).slice(0, 4);
    const more = { ...details, ...(numbers.length === 0 ? {} : { numbers }) };
    return new TerminalError(FAILURE_CODES.contextTooLong, `${what} takes no context as long as this${said}`, {
      details: more,
    });
  }
  if (status === 404) {
    const text = `${what} knows no model "${model.model}"${said}`;
    return new TerminalError(FAILURE_CODES.modelUnknown, text, { details });
  }
  if (status === 429 || status === 408 || status === 425 || status >= 500) {
    const retryAfterMs = retryAfter(headers);
    const more = retryAfterMs === undefined ? details : { ...details, retry_after_ms: retryAfterMs };
    return status === 429
      ? new RetryableError(FAILURE_CODES.modelRateLimited, `${what} takes no more calls now${said}`, { details: more })
      : new RetryableError(FAILURE_CODES.modelUnavailable, `${what} answered with ${status}${said}`, { details: more });
  }
  return new TerminalError(FAILURE_CODES.modelRefused, `${what} refuses the call with ${status}${said}`, { details });
}

/** Milliseconds that the provider asks to wait (RFC 9110, 10.2.3: seconds or a date). */
function retryAfter(headers: Readonly<Record<string, string>>): number | undefined {
  const precise = Number(headers['retry-after-ms']);
  const text = headers['retry-after'] ?? '';
  const ms = precise > 0 ? precise : /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) && ms > 0 ? Math.min(Math.ceil(ms), LONGEST_RETRY_AFTER_MS) : undefined;
}

interface Words {
  readonly code: string;
  readonly type: string;
  readonly message: string;
}

/** `{error: {code, type, message}}`, the usual form; else the beginning of the body. */
function wordsOf(body: string): Words {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    parsed = undefined;
  }
  const error = (parsed as { error?: unknown } | null | undefined)?.error ?? parsed;
  if (typeof error === 'string') return { code: '', type: '', message: error.slice(0, LONGEST_WORDS) };
  const { code, type, message } = (error ?? {}) as Partial<Record<keyof Words, unknown>>;
  const text = (value: unknown): string => (typeof value === 'string' ? value.slice(0, LONGEST_WORDS) : '');
  const words = { code: text(code), type: text(type), message: text(message) };
  return words.message === '' && parsed === undefined
    ? { ...words, message: body.trim().slice(0, LONGEST_WORDS) }
    : words;
}
