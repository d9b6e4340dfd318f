import { describe, expect, test } from '@jest/globals';
import { nextWake } from '../state/timers.js';
import { view } from '../view/view.js';
import { NOON, config, scenario } from '../../../test/engine/scenario.js';

const ONE = config('sequential', [{ id: 'a' }]);
const later = () => scenario(ONE).start(undefined, { startAt: NOON + 60_000 });

describe('rescheduling an execution', () => {
  test('moves when it begins, and its deadline with that', () => {
    const run = later().when({ type: 'RescheduleExecution', startAt: NOON + 90_000, by: 'ann' });
    expect(run.last).toEqual(['ExecutionRescheduled']);
    expect(view(run.state)).toMatchObject({ status: 'pending', startAt: NOON + 90_000 });
    expect(run.state.deadlineAt).toBe(NOON + 90_000 + run.state.config.timeoutMs);
    expect(nextWake(run.state)).toBe(NOON + 90_000);
    expect(run.wakes(60_000).last).toEqual([]);
    expect(run.wakes(30_000).last).toEqual(['StepScheduled a #1']);
  });

  test('to a time in the past begins it at once', () => {
    const run = later().when({ type: 'RescheduleExecution', startAt: NOON - 1 });
    expect(run.last).toEqual(['ExecutionRescheduled', 'StepScheduled a #1']);
    expect(view(run.state)).toMatchObject({ status: 'running', startedAt: NOON });
    expect(view(run.state)).not.toHaveProperty('startAt');
  });

  test('does not begin one that waits for another, or is paused', () => {
    const dependency = { executionId: '0198c0de-0000-7000-8000-000000000001', on: 'success' };
    const held = scenario(ONE).start(undefined, { after: [dependency] });
    expect(held.when({ type: 'RescheduleExecution', startAt: 0 }).last).toEqual(['ExecutionRescheduled']);
    expect(held.status).toBe('pending');
    const paused = later().when({ type: 'PauseExecution' }).when({ type: 'RescheduleExecution', startAt: 0 });
    expect(paused.last).toEqual(['ExecutionRescheduled']);
    expect(paused.when({ type: 'ResumeExecution' }).last).toEqual(['ExecutionResumed', 'StepScheduled a #1']);
  });

  test('is refused once it has begun, and once it has ended', () => {
    const run = scenario(ONE)
      .start()
      .when({ type: 'RescheduleExecution', startAt: NOON + 1 });
    expect(run.rejected?.code).toBe('not_applicable');
    run.ok('a').when({ type: 'RescheduleExecution', startAt: NOON + 1 });
    expect(run.rejected?.code).toBe('already_completed');
  });
});
