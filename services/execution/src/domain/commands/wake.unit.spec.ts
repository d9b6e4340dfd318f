import { describe, expect, test } from '@jest/globals';
import { nextWake } from '../state/timers.js';
import { view } from '../view/view.js';
import { config, failure, NOON, scenario } from '../../../test/engine/scenario.js';

describe('time', () => {
  test('the execution deadline ends it and stops what runs', () => {
    const run = scenario(config('parallel', [{ id: 'a' }], { settings: { timeout_ms: 500 } })).start();
    expect(nextWake(run.state)).toBe(NOON + 500);
    expect(run.wakes(499).last).toEqual([]);
    expect(run.wakes(1).last).toEqual(['ExecutionFailed execution_timeout']);
    expect(run.effects[0]).toMatchObject({ type: 'stopAttempts' });
    expect(nextWake(run.state)).toBeUndefined();
  });

  test('an attempt that nobody starts in time fails and may be tried again', () => {
    const retry = { max_attempts: 2, backoff_ms: 0 };
    const run = scenario(config('parallel', [{ id: 'a', retry, schedule_to_start_ms: 300 }])).start();
    expect(run.lastEvents[1]?.data).toMatchObject({ startDeadlineAt: NOON + 300 });
    expect(nextWake(run.state)).toBe(NOON + 300);
    expect(run.wakes(300).last).toEqual([
      'StepAttemptFailed a #1 schedule_to_start_timeout +300',
      'StepScheduled a #2',
    ]);
    expect(run.effects).toContainEqual({
      type: 'stopAttempts',
      attempts: [{ executionId: 'execution-1', stepId: 'a', attempt: 1, reason: 'schedule_to_start_timeout' }],
    });
    expect(run.ok('a', 1, 1).outcome).toBe('stale');
    expect(run.wakes(300).last.at(-1)).toBe('ExecutionFailed a schedule_to_start_timeout');
  });

  test('the first heartbeat says that the attempt has started; later ones keep it alive', () => {
    const step = { id: 'a', schedule_to_start_ms: 300, heartbeat_ms: 200 };
    const run = scenario(config('parallel', [step])).start();
    run.now += 250;
    const beat = (progress?: number, message?: string) =>
      run.when({
        type: 'RecordHeartbeat',
        id: 'h:a:1',
        stepId: 'a',
        attempt: 1,
        ...(progress === undefined ? {} : { progress }),
        ...(message === undefined ? {} : { message }),
      });
    expect(beat().last).toEqual(['StepProgressed a']);
    expect(nextWake(run.state)).toBe(NOON + 450);
    run.now += 50;
    expect([beat().outcome, run.last]).toEqual(['recorded', []]);
    run.now += 100;
    expect(beat(0.5, 'halfway').last).toEqual(['StepProgressed a']);
    expect(view(run.state).steps[0]).toMatchObject({ progress: 0.5, progressMessage: 'halfway' });
    expect(nextWake(run.state)).toBe(NOON + 600);
    expect(run.wakes(200).last[0]).toBe('StepAttemptFailed a #1 heartbeat_timeout final');
    expect(beat().outcome).toBe('stale');
  });

  test('progress of an agent without deadlines is recorded at most every half second, the last one always', () => {
    const run = scenario(config('parallel', [{ id: 'a' }])).start();
    const beat = (progress: number, last?: true) =>
      run.when({
        type: 'RecordHeartbeat',
        id: 'h:a:1',
        stepId: 'a',
        attempt: 1,
        progress,
        ...(last === undefined ? {} : { last }),
      }).last;
    expect(beat(0.1)).toEqual(['StepProgressed a']);
    run.now += 400;
    expect(beat(0.2)).toEqual([]);
    run.now += 100;
    expect(beat(0.3)).toEqual(['StepProgressed a']);
    run.now += 5000;
    expect(beat(0.3)).toEqual([]);
    expect(beat(0.4)).toEqual(['StepProgressed a']);
    run.now += 1;
    expect(beat(0.9)).toEqual([]);
    expect(beat(0.9, true)).toEqual(['StepProgressed a']);
    expect(beat(0.9, true)).toEqual([]);
    run.ok('a');
    expect(view(run.state).steps[0]).toMatchObject({ status: 'completed', progress: 0.9 });
  });

  test('schedule_to_close ends a step whatever its attempts do', () => {
    const step = { id: 'a', schedule_to_close_ms: 1000, retry: { max_attempts: 9, backoff_ms: 400, jitter: 'none' } };
    const run = scenario(config('parallel', [step])).start();
    run.fails('a', failure('broken')).wakes(400);
    expect(run.last).toEqual(['StepScheduled a #2']);
    expect(nextWake(run.state)).toBe(NOON + 1000);
    expect(run.wakes(600).last).toEqual([
      'StepAttemptFailed a #2 schedule_to_close_timeout final',
      'StepFailed a schedule_to_close_timeout abort',
      'ExecutionFailed a schedule_to_close_timeout',
    ]);
    const waiting = scenario(config('parallel', [step]))
      .start()
      .fails('a', failure('broken'));
    expect(waiting.wakes(1000).last).toContain('StepFailed a schedule_to_close_timeout abort');
  });

  test('no attempt starts after total_timeout_ms', () => {
    const retry = { max_attempts: 9, backoff_ms: 400, jitter: 'none', backoff_coefficient: 1, total_timeout_ms: 1000 };
    const run = scenario(config('parallel', [{ id: 'a', retry }])).start();
    run.fails('a', failure('broken')).wakes(400).fails('a', failure('broken')).wakes(400);
    expect(run.fails('a', failure('broken')).last[0]).toBe('StepAttemptFailed a #3 broken final');
  });

  test('waking too early, or twice, does nothing', () => {
    const run = scenario(config('parallel', [{ id: 'a' }])).start();
    expect([run.wakes().outcome, run.last]).toEqual(['stale', []]);
    expect([run.wakes().outcome, run.last]).toEqual(['stale', []]);
  });
});
