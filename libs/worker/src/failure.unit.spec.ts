import { describe, expect, it } from '@jest/globals';
import { RetryableError, TerminalError } from './agent.js';
import { failureOf } from './failure.js';

describe('failureOf', () => {
  it('keeps the code, message and details of an error that an agent throws on purpose', () => {
    expect(failureOf(new TerminalError('gone', 'It is gone.', { details: { id: 7 } }))).toMatchObject({
      code: 'gone',
      message: 'It is gone.',
      retryable: false,
      details: { id: 7 },
    });
    expect(failureOf(new RetryableError('busy', 'Try later.'))).toMatchObject({ code: 'busy', retryable: true });
  });

  it.each([
    [new TypeError('x is undefined'), 'x is undefined'],
    ['just text', 'The agent threw just text.'],
    [undefined, 'The agent threw undefined.'],
    [{ code: 42 }, '{"code":42}'],
    [new Error(''), 'Error'],
  ])('treats any other error as a retryable agent_error: %p', (thrown, message) => {
    expect(failureOf(thrown)).toMatchObject({ code: 'agent_error', message, retryable: true });
  });

  it('limits messages, traces and details', () => {
    const error = new TerminalError('c'.repeat(1_000), 'm'.repeat(100_000), { details: { blob: 'd'.repeat(100_000) } });
    error.stack = 's'.repeat(1_000_000);
    const failure = failureOf(error);
    expect(JSON.stringify(failure).length).toBeLessThan(12_000);
    expect(failure.details).toEqual({ omitted: expect.stringContaining('larger than') });
  });
});
