import { RetryableError, TerminalError } from './agent.js';
import type { Agent } from './agent.js';
import { Parameters } from './parameters.js';

/**
 * Fails with `code`, `message` and `retryable` of its input. With `times`, only the first so many attempts fail, and the
 * next one returns the input.
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
    throw parameters.boolean('retryable') === false
      ? new TerminalError(code, message, { details: { attempt } })
      : new RetryableError(code, message, { details: { attempt } });
  },
};
