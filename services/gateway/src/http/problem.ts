import { REFUSALS } from '@batuta/contracts';
import type { JsonObject, MistakeCode, Refusal, RefusalCode, RefusalMeaning, Violation } from '@batuta/contracts';
import { HttpException } from '@nestjs/common';
import { limitReachedHeaders } from './rate-limit.js';

/**
 * Status and title of a code. An unknown code, from a newer service, means that the request does not fit the current
 * state.
 */
function meaningOf(code: RefusalCode): RefusalMeaning {
  if (Object.hasOwn(REFUSALS, code)) return REFUSALS[code];
  const words = String(code).replaceAll('_', ' ');
  return { status: 409, title: words.charAt(0).toUpperCase() + words.slice(1) };
}

/** The HTTP status of a refusal code. Each code has exactly one. */
export const statusOf = (code: RefusalCode): number => meaningOf(code).status;

/** Problem details (RFC 9457) as Batuta writes them. */
export interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: RefusalCode;
  readonly instance?: string;
  readonly errors?: readonly Violation[];
  readonly trace_id?: string;
  readonly request_id?: string;
  readonly details?: JsonObject;
}

interface ProblemOptions {
  readonly errors?: readonly Violation[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly traceId?: string;
  readonly details?: JsonObject;
}

/** A refusal for the client. Any code below the edge may throw it; the filter writes it once. */
export class Problem extends HttpException {
  override readonly name = 'Problem';

  constructor(
    readonly code: RefusalCode,
    readonly detail: string,
    readonly extra: ProblemOptions = {},
  ) {
    super(detail, statusOf(code));
  }

  /** The problem's document. `instance` is the requested path, `requestId` the answer's `X-Request-Id`. */
  body(instance?: string, requestId?: string): ProblemBody {
    const { traceId, details } = this.extra;
    const errors = this.errors();
    return {
      type: `urn:batuta:problem:${this.code}`,
      title: meaningOf(this.code).title,
      status: this.getStatus(),
      detail: this.detail,
      code: this.code,
      ...(instance === undefined ? {} : { instance }),
      ...(errors.length === 0 ? {} : { errors }),
      ...(traceId === undefined ? {} : { trace_id: traceId }),
      ...(requestId === undefined ? {} : { request_id: requestId }),
      ...(details === undefined || Object.keys(details).length === 0 ? {} : { details }),
    };
  }

  /**
   * Every mistake in the request with its place. At least one when the request itself is wrong, and not only its
   * timing.
   */
  errors(): readonly Violation[] {
    const { errors = [] } = this.extra;
    const { mistake } = meaningOf(this.code);
    return errors.length > 0 || mistake === undefined ? errors : [{ path: '', message: this.detail, code: mistake }];
  }

  /** The headers of this problem, including the content type. */
  headers(): Readonly<Record<string, string>> {
    const own: Record<string, string> = { 'content-type': 'application/problem+json; charset=utf-8' };
    if (this.code === 'unauthenticated') own['www-authenticate'] = 'Bearer realm="batuta"';
    if (this.code === 'upgrade_required') Object.assign(own, { upgrade: 'websocket', connection: 'Upgrade' });
    if (this.code === 'unavailable') own['retry-after'] = '1';
    if (this.code === 'limit_reached') Object.assign(own, limitReachedHeaders(this.extra.details));
    return { ...own, ...this.extra.headers };
  }
}

/** A service's refusal in the form of the API. */
export function problemOfRefusal(refusal: Refusal): Problem {
  const options = {
    ...(refusal.violations === undefined ? {} : { errors: refusal.violations }),
    ...(refusal.details === undefined ? {} : { details: refusal.details }),
  };
  return new Problem(refusal.code, refusal.message || meaningOf(refusal.code).title, options);
}

/** The reply of a service. Throws the `Problem` when the reply is a refusal. */
export function accepted<T extends { refused?: Refusal }>(reply: T): T {
  if (reply.refused !== undefined) throw problemOfRefusal(reply.refused);
  return reply;
}

/** The codes for errors of libraries that only have a status. */
const CODE_OF_STATUS: ReadonlyMap<number, RefusalCode> = new Map([
  [400, 'malformed_request'],
  [401, 'unauthenticated'],
  [403, 'forbidden'],
  [404, 'not_found'],
  [405, 'method_not_allowed'],
  [408, 'request_timeout'],
  [409, 'conflict'],
  [412, 'version_conflict'],
  [413, 'payload_too_large'],
  [414, 'uri_too_long'],
  [415, 'unsupported_media_type'],
  [417, 'expectation_failed'],
  [426, 'upgrade_required'],
  [428, 'precondition_required'],
  [429, 'rate_limited'],
  [431, 'headers_too_large'],
  [503, 'unavailable'],
]);

/** Problem details for a library's error that only has a status. */
export function problemOfStatus(status: number, detail: string): Problem {
  const code = CODE_OF_STATUS.get(status) ?? (status >= 500 ? 'internal' : 'malformed_request');
  const { title } = meaningOf(code);
  return new Problem(code, code === 'internal' ? title : detail || title);
}

/** One mistake in one place: a field, a query parameter, `/headers/<name>` or `/url`. */
export function mistake(path: string, code: MistakeCode, message: string): Problem {
  const name = path.split('/').at(-1) ?? '';
  const what = path === '/url' ? 'The URL' : path.startsWith('/headers/') ? `The header ${name}` : name;
  return new Problem('validation_failed', `${what} ${message}.`, { errors: [{ path, message, code }] });
}

/** A URL that cannot be decoded. */
export const badUrl = (): Problem =>
  mistake('/url', 'bad_format', 'must be percent-encoded UTF-8: each % stands before two hexadecimal digits');
