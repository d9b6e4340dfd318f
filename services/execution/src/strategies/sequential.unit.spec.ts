import { describe, expect, test } from '@jest/globals';
import { config, failure, scenario } from '../../test/engine/scenario.js';

const three = config('sequential', [{ id: 'a' }, { id: 'b' }, { id: 'c' }]);

describe('sequential', () => {
  test('runs the steps in listed order, one at a time', () => {
    const run = scenario(three).start();
    expect(run.last).toEqual(['ExecutionStarted', 'StepScheduled a #1']);
    expect(run.ok('a').last).toEqual(['StepCompleted a #1', 'StepScheduled b #1']);
    expect(run.ok('b').last).toEqual(['StepCompleted b #1', 'StepScheduled c #1']);
    expect(run.ok('c').last).toEqual(['StepCompleted c #1', 'ExecutionCompleted']);
    expect(run.status).toBe('completed');
  });

  test('lets the next listed step go first while a dependency is open', () => {
    const run = scenario(config('sequential', [{ id: 'a', dependencies: ['b'] }, { id: 'b' }, { id: 'c' }])).start();
    expect(run.last).toEqual(['ExecutionStarted', 'StepScheduled b #1']);
    expect(run.ok('b').last).toEqual(['StepCompleted b #1', 'StepScheduled a #1']);
    expect(run.ok('a').last).toEqual(['StepCompleted a #1', 'StepScheduled c #1']);
  });

  test('starts nothing else while a step waits for its next attempt', () => {
    const retry = { max_attempts: 2, backoff_ms: 1000, jitter: 'none' };
    const run = scenario(config('sequential', [{ id: 'a', retry }, { id: 'b' }])).start();
    expect(run.fails('a', failure('broken')).last).toEqual(['StepAttemptFailed a #1 broken +1000']);
    expect(run.wakes(999).last).toEqual([]);
    expect(run.wakes(1).last).toEqual(['StepScheduled a #2']);
    expect(run.ok('a').last).toEqual(['StepCompleted a #2', 'StepScheduled b #1']);
  });

  test('runs the alternative of a failed step before the next listed step', () => {
    const run = scenario(
      config('sequential', [
        { id: 'a', on_failure: 'fallback' },
        { id: 'b' },
        { id: 'spare', is_fallback: true, fallback_for: 'a' },
      ]),
    ).start();
    expect(run.fails('a').last).toEqual([
      'StepAttemptFailed a #1 broken final',
      'StepFailed a broken fallback spare',
      'StepScheduled spare #1',
    ]);
    expect(run.ok('spare').last).toEqual(['StepCompleted spare #1', 'StepScheduled b #1']);
  });
});
