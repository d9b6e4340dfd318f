import { describe, expect, test } from '@jest/globals';
import { failureSentence } from './failures.js';
import { view } from './view.js';
import { config, failure, scenario } from '../../../test/engine/scenario.js';

const RETRIED = { max_attempts: 3, backoff_ms: 10, jitter: 'none' } as const;

describe('the failure of an execution', () => {
  test('names the step, its agent and its attempts, in one sentence and in fields', () => {
    const run = scenario(config('sequential', [{ id: 'charge', name: 'Charge the card', retry: RETRIED }])).start();
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      run.fails('charge', failure('card_declined')).wakes(60_000);
    }
    const summary = 'Step "charge" failed after 3 attempts (card_declined): card_declined happened';
    const expected = {
      code: 'card_declined',
      message: 'card_declined happened',
      stepId: 'charge',
      stepName: 'Charge the card',
      agent: 'echo',
      attempts: 3,
      summary,
    };
    expect(view(run.state)).toMatchObject({ status: 'failed', failure: expected, steps: [{ failure: expected }] });
    // The stored failure does not change.
    expect(run.state.failure).not.toHaveProperty('summary');
  });

  test('says that every alternative failed too', () => {
    const run = scenario(config('fallback', [{ id: 'main' }, { id: 'other', fallback_for: 'main' }])).start();
    run.fails('main', failure('down', false)).fails('other', failure('gone', false));
    expect(view(run.state).failure).toMatchObject({
      stepId: 'main',
      attempts: 1,
      summary:
        'Step "main" failed, and so did every alternative: main: down happened (down); other: gone happened (gone)',
    });
  });

  test('says who did not approve', () => {
    const run = scenario(config('sequential', [{ id: 'gate', approval: {} }])).start();
    run.rejects('gate', { comment: 'too much' });
    expect(view(run.state).failure).toMatchObject({
      stepId: 'gate',
      summary: 'Step "gate" was not approved (approval_rejected): rejected by alice: too much',
    });
    expect(view(run.state).failure).not.toHaveProperty('attempts');
    expect(view(run.state).failure).not.toHaveProperty('agent');
  });

  test('names no step where none failed', () => {
    const run = scenario(config('sequential', [{ id: 'a' }], { settings: { timeout_ms: 1_000 } })).start();
    run.wakes(1_000);
    expect(view(run.state).failure).toEqual({
      code: 'execution_timeout',
      message: 'the execution did not end within 1000 ms',
      retryable: false,
      summary: 'The execution timed out (execution_timeout): the execution did not end within 1000 ms',
    });
  });

  test.each([
    ['timeout', 2, 'Step "a" timed out after 2 attempts (timeout): why'],
    ['heartbeat_timeout', 1, 'Step "a" timed out after 1 attempt (heartbeat_timeout): why'],
    ['expression_failed', 0, 'Step "a" could not run (expression_failed): why'],
    ['approval_timeout', 0, 'Step "a" was not decided in time (approval_timeout): why'],
  ])('of a step with %s after %d attempts has a sentence of its own', (code, attempts, sentence) => {
    const failed = { kind: 'step', id: 'a', name: 'A', agent: 'echo', attempts } as const;
    expect(failureSentence(failed, { code, message: 'why', retryable: false })).toBe(sentence);
  });

  test('of a group, of an undoing and of the execution itself have theirs', () => {
    const said = { message: 'why', retryable: false };
    const group = { kind: 'group', id: 'g' } as const;
    expect(failureSentence(group, { ...said, code: 'no_consensus' })).toBe(
      'Group "g" came to no agreement (no_consensus): why',
    );
    const undoing = { kind: 'compensation', id: 'a', name: 'A', agent: 'echo', attempts: 2 } as const;
    expect(failureSentence(undoing, { ...said, code: 'down' })).toBe(
      'Step "a" could not be undone after 2 attempts (down): why',
    );
    expect(failureSentence({ kind: 'execution' }, { ...said, code: 'budget_exceeded' })).toBe(
      'The budget was exceeded (budget_exceeded): why',
    );
    expect(failureSentence({ kind: 'execution' }, { ...said, code: 'stalled', message: '' })).toBe(
      'The execution failed (stalled)',
    );
  });
});
