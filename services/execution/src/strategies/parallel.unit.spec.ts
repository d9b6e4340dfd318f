import { describe, expect, test } from '@jest/globals';
import { config, failure, scenario } from '../../test/engine/scenario.js';

const incident = config('parallel', [
  { id: 'step_1', output_key: 'job_status', on_failure: 'continue', retry: { max_attempts: 2, backoff_ms: 1000 } },
  { id: 'step_2', dependencies: ['step_1'], output_key: 'log_analysis', on_failure: 'fallback' },
  { id: 'step_3', output_key: 'rag_results', on_failure: 'continue' },
  { id: 'step_4', dependencies: ['step_1', 'step_2', 'step_3'], output_key: 'final_response', on_failure: 'abort' },
]);

describe('parallel', () => {
  test('starts each step as soon as its own dependencies are done, not in waves', () => {
    const run = scenario(incident).start({ job: 'nightly' });
    expect(run.last).toEqual(['ExecutionStarted', 'StepScheduled step_1 #1', 'StepScheduled step_3 #1']);
    expect(run.ok('step_1').last).toEqual(['StepCompleted step_1 #1', 'StepScheduled step_2 #1']);
    expect(run.ok('step_2').last).toEqual(['StepCompleted step_2 #1']);
    expect(run.ok('step_3').last).toEqual(['StepCompleted step_3 #1', 'StepScheduled step_4 #1']);
    expect(run.ok('step_4', { report: 'fine' }).last).toEqual(['StepCompleted step_4 #1', 'ExecutionCompleted']);
    expect(run.state.output).toEqual({ report: 'fine' });
  });

  test('runs no more attempts at once than parallel_limit, and those listed first first', () => {
    const steps = ['a', 'b', 'c', 'd'].map((id) => ({ id }));
    const run = scenario(config('parallel', steps, { settings: { parallel_limit: 2 } })).start();
    expect(run.last).toEqual(['ExecutionStarted', 'StepScheduled a #1', 'StepScheduled b #1']);
    expect(run.ok('b').last).toEqual(['StepCompleted b #1', 'StepScheduled c #1']);
    expect(run.ok('a').last).toEqual(['StepCompleted a #1', 'StepScheduled d #1']);
  });

  test('gives a due next attempt the free slot before a new step, and frees the slot while it waits', () => {
    const retry = { max_attempts: 3, backoff_ms: 100, jitter: 'none' };
    const steps = [{ id: 'a', retry }, { id: 'b' }, { id: 'c' }];
    const run = scenario(config('parallel', steps, { settings: { parallel_limit: 1 } })).start();
    expect(run.fails('a', failure('broken')).last).toEqual([
      'StepAttemptFailed a #1 broken +100',
      'StepScheduled b #1',
    ]);
    expect(run.wakes(200).last).toEqual([]);
    expect(run.ok('b').last).toEqual(['StepCompleted b #1', 'StepScheduled a #2']);
    expect(run.ok('a').last).toEqual(['StepCompleted a #2', 'StepScheduled c #1']);
  });

  test('lets dependents of a failed step with on_failure continue run and see null', () => {
    const run = scenario(incident).start({});
    run.fails('step_3');
    expect(run.last).toEqual(['StepAttemptFailed step_3 #1 broken final', 'StepFailed step_3 broken continue']);
    run.ok('step_1').ok('step_2');
    expect(run.last).toEqual(['StepCompleted step_2 #1', 'StepScheduled step_4 #1']);
  });

  test('aborts when a fallback is asked for and none is named: running attempts are stopped', () => {
    const run = scenario(incident).start({});
    run.ok('step_1').fails('step_2');
    expect(run.last).toEqual([
      'StepAttemptFailed step_2 #1 broken final',
      'StepFailed step_2 broken abort',
      'ExecutionFailed step_2 broken',
    ]);
    expect(run.effects).toContainEqual({
      type: 'stopAttempts',
      attempts: [{ executionId: 'execution-1', reason: 'failed' }],
    });
    expect(run.ok('step_3').outcome).toBe('stale');
    expect(run.last).toEqual([]);
  });

  test('fails instead of waiting for ever when steps wait for each other', () => {
    const run = scenario(
      config('parallel', [{ id: 'a' }, { id: 'b', dependencies: ['c'] }, { id: 'c', dependencies: ['b'] }]),
    ).start();
    expect(run.ok('a').last).toEqual(['StepCompleted a #1', 'ExecutionFailed stalled']);
  });
});
