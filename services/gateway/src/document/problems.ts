import type { RefusalCode, Violation } from '@batuta/contracts';
import { Problem } from '../http/problem.js';
import type { ProblemBody } from '../http/problem.js';

/** A named example of OpenAPI. */
interface ProblemExample {
  readonly summary: string;
  readonly value: ProblemBody;
}

/** An example of the detail for each code. A code without an entry uses its title. */
const DETAILS: Readonly<Partial<Record<RefusalCode, string>>> = {
  validation_failed: 'The body has one mistake.',
  malformed_json: 'The body is not JSON: unexpected "}" at position 17 (line 1, column 18).',
  payload_too_large: 'The body is larger than 1 MiB.',
  unauthenticated: 'Send "Authorization: Bearer <key>" with a key that is valid.',
  forbidden: 'This needs the role operator; the key has the role viewer.',
  not_found: 'There is nothing with this id.',
  version_conflict: 'It has the version 4 by now. Read it again.',
  name_taken: 'There is a config named "two-steps" already.',
  idempotency_mismatch: 'The Idempotency-Key was used for another body.',
  input_invalid: 'The input has one mistake.',
  already_completed: 'The execution has completed.',
  already_failed: 'The execution has failed.',
  already_cancelled: 'The execution was cancelled.',
  not_an_approver: 'Only ada may decide about the step "again".',
  step_not_found: 'The config has no step "agian".',
  rate_limited: 'Too many wrong keys came from this address. Try again in 12 s.',
  limit_reached: 'The tenant may begin 50 executions a second.',
  unavailable: 'The config service did not answer.',
  internal: 'Something went wrong on our side. The trace id finds it in the logs.',
};

const ERRORS: Readonly<Partial<Record<RefusalCode, readonly Violation[]>>> = {
  validation_failed: [{ path: '/nmae', code: 'unknown_field', message: 'nmae is not a known field' }],
  input_invalid: [{ path: '/input/service', code: 'required', message: 'service is missing' }],
};

/** An example for each code. */
export function problemExamples(codes: readonly RefusalCode[]): Record<string, ProblemExample> {
  return Object.fromEntries(
    codes.map((code) => {
      const { title } = new Problem(code, '').body();
      const errors = ERRORS[code];
      const problem = new Problem(code, DETAILS[code] ?? `${title}.`, errors === undefined ? {} : { errors });
      return [code, { summary: title, value: problem.body() }];
    }),
  );
}
