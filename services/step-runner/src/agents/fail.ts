import { RetryableError, TerminalError } from '@batuta/worker';
import type { Agent } from '@batuta/worker';
import { Parameters } from './parameters.js';
import { spentOf } from '@batuta/worker';

/**
 * Fails with `code`, `message` and `retryable` of its input. With `times`, only the first so many attempts fail, and the
 * next one returns the input. `_tokens` and `_cost` of the input are told as spent.
 */
export const failAgent: Agent = {
  name: 'fail',
  version: '1',
  run(input, { attempt }) {
    const parameters = new Parameters(input);
    const times = parameters.number('times', { min: 0, max: 1_000_000, whole: true });
    if (times !== undefined && attempt > times) return input;
    const code = parameters.text('code', { maxLength: 64 }) ?? 'failed_on_request';
    const message = parameters.text('message', { maxLength: 2_000 }) ?? 'The step asked to fail.';
    const details = { attempt, ...spentOf(input) };
    throw parameters.boolean('retryable') === false
      ? new TerminalError(code, message, { details })
      : new RetryableError(code, message, { details });
  },
};
