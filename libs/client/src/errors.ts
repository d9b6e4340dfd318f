import type { Problem } from './generated/schemas.js';

/** A stable code of a refusal. Use it in a switch. */
export type ProblemCode = Problem['code'];

/** The platform refused the request. `problem` is its answer (RFC 9457). */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';

  constructor(
    readonly request: string,
    readonly problem: Problem,
    /** Milliseconds after which the platform accepts a retry, if it says so. */
    readonly retryAfterMs?: number,
  ) {
    const details = (problem.errors ?? []).map(({ path, message }) => `\n  ${path === '' ? '/' : path}: ${message}`);
    super(`${request}: ${problem.status} ${problem.title}: ${problem.detail}${details.join('')}`);
  }

  get status(): number {
    return this.problem.status;
  }

  get code(): ProblemCode {
    return this.problem.code;
  }
}

/** An answer that does not come from the platform, such as a proxy's page. */
export class UnexpectedAnswerError extends Error {
  override readonly name = 'UnexpectedAnswerError';

  constructor(
    readonly request: string,
    readonly status: number,
    readonly text: string,
    readonly retryAfterMs?: number,
  ) {
    super(`${request}: ${status}, which is not an answer of Batuta: ${text.slice(0, 200)}`);
  }
}

/** There was no answer: the connection failed, broke, or took too long. `cause` has the reason. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';

  constructor(
    readonly request: string,
    options: { readonly cause: unknown },
  ) {
    const { cause } = options;
    const inner = cause instanceof Error && cause.cause !== undefined ? cause.cause : cause;
    super(`${request}: no answer: ${inner instanceof Error ? inner.message || inner.name : String(inner)}`, options);
  }
}

/** The resource that was requested with `ifNoneMatch` has not changed. */
export class NotModifiedError extends Error {
  override readonly name = 'NotModifiedError';

  constructor(readonly request: string) {
    super(`${request}: not modified`);
  }
}

/** Whether the platform refused with this code, or with any code. */
export function isProblem(error: unknown, code?: ProblemCode): error is ProblemError {
  return error instanceof ProblemError && (code === undefined || error.code === code);
}
