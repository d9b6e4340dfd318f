import { defineAgent, RetryableError, spentOf, TerminalError } from '@batuta/worker';

export const failAgent = defineAgent(
  'fail',
  {
    description: 'Fails as its input says. For tests. `_tokens` and `_cost` of the input are told as spent.',
    input: {
      properties: {
        code: { type: 'string', maxLength: 64, default: 'failed_on_request', description: 'of the failure' },
        message: { type: 'string', maxLength: 2_000, description: 'of the failure' },
        retryable: { type: 'boolean', default: true, description: 'whether another attempt may help' },
        times: {
          type: 'integer',
          minimum: 0,
          maximum: 1_000_000,
          description: 'only the first so many attempts fail, and the next returns the input',
        },
      },
    },
  },
  ({ code = 'failed_on_request', message = 'The step asked to fail.', retryable, times }, { attempt }, whole) => {
    if (times !== undefined && attempt > times) return whole;
    const details = { attempt, ...spentOf(whole) };
    throw retryable === false
      ? new TerminalError(code, message, { details })
      : new RetryableError(code, message, { details });
  },
);
