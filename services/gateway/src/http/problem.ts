import { STATUS_CODES } from 'node:http';
import type { JsonObject, Refusal, RefusalCode, Violation } from '@batuta/contracts';
import { HttpException } from '@nestjs/common';

/** HTTP status of refusal codes; a code without one says that the request does not fit the present state: 409. */
const STATUSES: Readonly<Partial<Record<RefusalCode, number>>> = {
  validation_failed: 400,
  malformed_json: 400,
  payload_too_large: 413,
  too_deep: 400,
  forbidden_key: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_an_approver: 403,
  not_found: 404,
  step_not_found: 404,
  method_not_allowed: 405,
  unsupported_media_type: 415,
  version_conflict: 412,
  precondition_required: 428,
  idempotency_mismatch: 422,
  input_invalid: 422,
  rate_limited: 429,
  unavailable: 503,
  internal: 500,
};

const CONFLICT = 409;

/** The one HTTP status of a refusal code. */
export const statusOf = (code: RefusalCode): number => STATUSES[code] ?? CONFLICT;

const TITLES: Readonly<Partial<Record<RefusalCode, string>>> = {
  validation_failed: 'The request has mistakes',
  malformed_json: 'The body is not JSON',
  payload_too_large: 'The request is too large',
  too_deep: 'The JSON is nested too deep',
  forbidden_key: 'The JSON has a forbidden key',
  unauthenticated: 'A valid API key is needed',
  forbidden: "The API key's role does not allow this",
  not_found: 'Not found',
  method_not_allowed: 'The method is not allowed here',
  unsupported_media_type: 'The media type is not supported',
  conflict: 'The request conflicts with the present state',
  name_taken: 'The name is taken',
  version_conflict: 'The version has changed',
  precondition_required: 'A precondition is required',
  idempotency_mismatch: 'The idempotency key was used for another request',
  input_invalid: "The input does not fit the config's input_schema",
  already_completed: 'The execution has completed',
  already_failed: 'The execution has failed',
  already_cancelled: 'The execution was cancelled',
  already_exists: 'It exists already',
  not_running: 'The execution is not running',
  not_paused: 'The execution is not paused',
  not_applicable: 'This does not apply now',
  compensating: 'The execution is being undone',
  already_compensated: 'The execution was undone',
  nothing_to_compensate: 'Nothing is left to undo',
  step_not_found: 'The config has no such step',
  step_already_finished: 'The step is finished already',
  not_awaiting_approval: 'The step does not wait for a decision',
  already_decided: 'The step is decided already',
  not_an_approver: 'Only the approvers of the step may do this',
  not_monitored: 'The execution is kept out of live feeds',
  not_retryable: 'The execution cannot be retried now',
  rate_limited: 'Too many requests',
  unavailable: 'The service is not available right now',
  internal: 'Something went wrong on our side',
};

/** A short text for people; a code without one of its own is written out. */
function titleOf(code: RefusalCode): string {
  const words = code.replaceAll('_', ' ');
  return TITLES[code] ?? words.charAt(0).toUpperCase() + words.slice(1);
}

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
  readonly details?: JsonObject;
}

export interface ProblemOptions {
  readonly errors?: readonly Violation[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly traceId?: string;
  readonly details?: JsonObject;
}

/** A refusal on its way to the client; thrown anywhere below the edge, written once by the filter. */
export class Problem extends HttpException {
  override readonly name = 'Problem';

  constructor(
    readonly code: RefusalCode,
    readonly detail: string,
    readonly extra: ProblemOptions = {},
  ) {
    super(detail, statusOf(code));
  }

  /** The problem's document; `instance` is the path that was asked for. */
  body(instance?: string): ProblemBody {
    const { errors, traceId, details } = this.extra;
    return {
      type: `urn:batuta:problem:${this.code}`,
      title: titleOf(this.code),
      status: this.getStatus(),
      detail: this.detail,
      code: this.code,
      ...(instance === undefined ? {} : { instance }),
      ...(errors === undefined || errors.length === 0 ? {} : { errors }),
      ...(traceId === undefined ? {} : { trace_id: traceId }),
      ...(details === undefined || Object.keys(details).length === 0 ? {} : { details }),
    };
  }

  /** Headers that belong to this problem, content type included. */
  headers(): Readonly<Record<string, string>> {
    const own: Record<string, string> = { 'content-type': 'application/problem+json; charset=utf-8' };
    if (this.code === 'unauthenticated') own['www-authenticate'] = 'Bearer realm="batuta"';
    if (this.code === 'unavailable') own['retry-after'] = '1';
    return { ...own, ...this.extra.headers };
  }
}

/** What a service refused, as the client sees it. */
export function problemOfRefusal(refusal: Refusal): Problem {
  const options = {
    ...(refusal.violations === undefined ? {} : { errors: refusal.violations }),
    ...(refusal.details === undefined ? {} : { details: refusal.details }),
  };
  return new Problem(refusal.code, refusal.message || titleOf(refusal.code), options);
}

/** The reply of a service, or the `Problem` of its refusal thrown. */
export function accepted<T extends { refused?: Refusal }>(reply: T): T {
  if (reply.refused !== undefined) throw problemOfRefusal(reply.refused);
  return reply;
}

const CODE_OF_STATUS: ReadonlyMap<number, RefusalCode> = new Map([
  [400, 'validation_failed'],
  [401, 'unauthenticated'],
  [403, 'forbidden'],
  [404, 'not_found'],
  [405, 'method_not_allowed'],
  [408, 'validation_failed'],
  [409, 'conflict'],
  [412, 'version_conflict'],
  [413, 'payload_too_large'],
  [414, 'payload_too_large'],
  [415, 'unsupported_media_type'],
  [428, 'precondition_required'],
  [429, 'rate_limited'],
  [431, 'payload_too_large'],
  [503, 'unavailable'],
]);

/** Problem details for an error that a library reported with nothing but a status. */
export function problemOfStatus(status: number, detail: string): Problem {
  const code = CODE_OF_STATUS.get(status) ?? (status >= 500 ? 'internal' : 'validation_failed');
  return new Problem(code, code === 'internal' ? titleOf(code) : detail || (STATUS_CODES[status] ?? titleOf(code)));
}
