import { describe, expect, test } from '@jest/globals';
import type { ConsensusGroup, OrchestrationDefinition } from '@batuta/contracts';
import { taskInput } from '../expressions/inputs.js';
import { nextWake } from '../state/timers.js';
import { view } from '../view/view.js';
import { config, event, failure, NOON, scenario, step } from '../../../test/engine/scenario.js';

const chain = config('sequential', [{ id: 'a' }, { id: 'b', dependencies: ['a'] }]);
const wide = config('parallel', [{ id: 'a' }, { id: 'b' }, { id: 'c', dependencies: ['a'] }]);

describe('cancel', () => {
  test('ends the execution at its commit and stops what runs', () => {
    const run = scenario(wide).start().when({ type: 'CancelExecution', reason: 'mistake', by: 'bob' });
    expect(run.lastEvents).toEqual([event('ExecutionCancelled', { reason: 'mistake', by: 'bob' })]);
    expect(run.effects).toEqual([
      { type: 'stopAttempts', attempts: [{ executionId: 'execution-1', reason: 'cancelled' }] },
      { type: 'lifecycle', event: 'ExecutionCancelled' },
    ]);
    expect(run.ok('a').outcome).toBe('stale');
    expect(view(run.state).steps.map((step) => [step.status, step.skipReason])).toEqual([
      ['skipped', 'execution_cancelled'],
      ['skipped', 'execution_cancelled'],
      ['skipped', 'not_reached'],
    ]);
  });

  test('with the same command id is a repeat; with another one it says what the execution is', () => {
    const run = scenario(chain).start().when({ type: 'CancelExecution', id: '0190-same' });
    run.when({ type: 'CancelExecution', id: '0190-same' });
    expect([run.outcome, run.last]).toEqual(['repeated', []]);
    expect(run.when({ type: 'CancelExecution' }).rejected?.code).toBe('already_cancelled');
  });

  test('with another request under the same key is a mistake, whatever the execution is by now', () => {
    const key = '6f1c5e0a-2a0d-5b64-9c1f-8d7f5b3e4a21:';
    const first = `${key}${'a'.repeat(32)}`;
    const run = scenario(chain).start().when({ type: 'PauseExecution', id: first });
    expect(run.when({ type: 'PauseExecution', id: `${key}${'b'.repeat(32)}` }).rejected?.code).toBe(
      'idempotency_mismatch',
    );
    run.when({ type: 'ResumeExecution', id: `${key.replace('6f', '7f')}${'b'.repeat(32)}` });
    expect(run.outcome).toBe('done');
    run.when({ type: 'PauseExecution', id: first });
    expect([run.outcome, run.last]).toEqual(['repeated', []]);
  });

  test('a refused command uses no key up', () => {
    const key = '6f1c5e0a-2a0d-5b64-9c1f-8d7f5b3e4a21:';
    const run = scenario(chain).start();
    expect(run.when({ type: 'ResumeExecution', id: `${key}${'a'.repeat(32)}` }).rejected?.code).toBe('not_paused');
    run.when({ type: 'PauseExecution' });
    expect(run.when({ type: 'ResumeExecution', id: `${key}${'b'.repeat(32)}` }).rejected).toBeUndefined();
  });

  test('races with the end have one answer', () => {
    const run = scenario(chain).start().ok('a').ok('b');
    expect(run.when({ type: 'CancelExecution' }).rejected?.code).toBe('already_completed');
    const failed = scenario(chain).start().fails('a');
    expect(failed.when({ type: 'CancelExecution' }).rejected?.code).toBe('already_failed');
    expect(failed.when({ type: 'PauseExecution' }).rejected?.code).toBe('already_failed');
    expect(failed.when({ type: 'TerminateExecution' }).rejected?.code).toBe('already_failed');
  });
});

describe('pause and resume', () => {
  test('running steps finish, nothing new starts, and the resume goes on', () => {
    const run = scenario(chain).start().when({ type: 'PauseExecution' });
    expect(run.last).toEqual(['ExecutionPaused']);
    expect(run.ok('a').last).toEqual(['StepCompleted a #1']);
    expect(run.status).toBe('paused');
    expect(run.when({ type: 'ResumeExecution' }).last).toEqual(['ExecutionResumed', 'StepScheduled b #1']);
  });

  test('a retry that falls due during the pause happens at the resume', () => {
    const retry = { max_attempts: 2, backoff_ms: 100, jitter: 'none' };
    const run = scenario(config('sequential', [{ id: 'a', retry }]))
      .start()
      .fails('a', failure('broken'));
    run.when({ type: 'PauseExecution' });
    expect(nextWake(run.state)).toBe(run.state.deadlineAt);
    expect(view(run.state).steps[0]?.status).toBe('paused');
    expect(run.wakes(500).last).toEqual([]);
    expect(run.when({ type: 'ResumeExecution' }).last).toEqual(['ExecutionResumed', 'StepScheduled a #2']);
  });

  test('an abort or a completion during the pause is recorded at the resume', () => {
    const run = scenario(chain).start().when({ type: 'PauseExecution' }).fails('a');
    expect(run.last).toEqual(['StepAttemptFailed a #1 broken final', 'StepFailed a broken abort']);
    expect(run.status).toBe('paused');
    expect(run.when({ type: 'ResumeExecution' }).last).toEqual(['ExecutionResumed', 'ExecutionFailed a broken']);
  });

  test('now stops running attempts, which run again at the resume without spending one', () => {
    const run = scenario(wide).start().when({ type: 'PauseExecution', now: true });
    expect(run.effects[0]).toEqual({
      type: 'stopAttempts',
      attempts: [
        { executionId: 'execution-1', stepId: 'a', attempt: 1, reason: 'paused' },
        { executionId: 'execution-1', stepId: 'b', attempt: 1, reason: 'paused' },
      ],
    });
    expect(view(run.state).steps.map((step) => step.status)).toEqual(['paused', 'paused', 'pending']);
    expect(run.ok('a', 1, 1).outcome).toBe('stale');
    run.when({ type: 'ResumeExecution' });
    expect(run.last).toEqual(['ExecutionResumed', 'StepScheduled a #2', 'StepScheduled b #2']);
    expect(run.state.units.get(0)?.failures).toBe(0);
    expect(run.ok('a', 1, 1).outcome).toBe('stale');
    expect(run.ok('a').last).toEqual(['StepCompleted a #2', 'StepScheduled c #1']);
  });

  test('now after a plain pause stops what still runs; any other second pause is refused', () => {
    const run = scenario(chain).start().when({ type: 'PauseExecution' });
    expect(run.when({ type: 'PauseExecution' }).rejected?.code).toBe('already_paused');
    expect(run.when({ type: 'PauseExecution', now: true }).last).toEqual(['ExecutionPaused']);
    expect(run.when({ type: 'PauseExecution', now: true }).rejected?.code).toBe('already_paused');
  });

  test('a deadline that passed during the pause fires at the resume, before anything is attempted again', () => {
    const run = scenario(config('sequential', [{ id: 'a', schedule_to_close_ms: 500 }])).start();
    run.when({ type: 'PauseExecution', now: true }).wakes(600);
    expect(run.last).toEqual([]);
    expect(run.when({ type: 'ResumeExecution' }).last).toEqual([
      'ExecutionResumed',
      'StepFailed a schedule_to_close_timeout abort',
      'ExecutionFailed a schedule_to_close_timeout',
    ]);
  });

  test('a resume of what is not paused is refused, and the deadline counts through a pause', () => {
    const run = scenario({ ...chain, settings: { timeout_ms: 1000 } }).start();
    expect(run.when({ type: 'ResumeExecution' }).rejected?.code).toBe('not_paused');
    run.when({ type: 'PauseExecution' });
    expect(run.wakes(1000).last).toEqual(['ExecutionFailed execution_timeout']);
  });
});

describe('skip step', () => {
  test('a running step is stopped and its dependents see null', () => {
    const run = scenario(chain).start({}).when({ type: 'SkipStep', stepId: 'a', by: 'bob' });
    expect(run.last).toEqual(['StepSkipped a requested', 'StepScheduled b #1']);
    expect(taskInput(run.state, 'b')).toEqual({ a: null });
    expect(run.effects[0]).toEqual({
      type: 'stopAttempts',
      attempts: [{ executionId: 'execution-1', stepId: 'a', attempt: 1, reason: 'requested' }],
    });
    expect(run.ok('a', 1, 1).outcome).toBe('stale');
  });

  test('a step not reached yet never runs; one that waits for its retry is not tried again', () => {
    const retry = { max_attempts: 2, backoff_ms: 100 };
    const run = scenario(config('sequential', [{ id: 'a', retry }, { id: 'b' }])).start();
    expect(run.when({ type: 'SkipStep', stepId: 'b' }).last).toEqual(['StepSkipped b requested']);
    run.fails('a', failure('broken')).when({ type: 'SkipStep', stepId: 'a' });
    expect(run.last).toEqual(['StepSkipped a requested', 'ExecutionCompleted']);
  });

  test('a skip before start_at does not start the execution', () => {
    const run = scenario(chain)
      .start({}, { startAt: NOON + 1000 })
      .when({ type: 'SkipStep', stepId: 'a' });
    expect([run.last, run.status]).toEqual([['StepSkipped a requested'], 'pending']);
    expect(run.wakes(1000).last).toEqual(['StepScheduled b #1']);
  });

  test('what does not apply is refused with its reason', () => {
    const definition = config('fallback', [{ id: 'a' }, { id: 'spare', is_fallback: true }, { id: 'b' }]);
    const run = scenario(definition).start();
    const codeFor = (stepId: string) => run.when({ type: 'SkipStep', stepId }).rejected?.code;
    expect(codeFor('nowhere')).toBe('step_not_found');
    expect(codeFor('spare')).toBe('not_applicable');
    run.ok('a');
    expect(codeFor('a')).toBe('step_already_finished');
    run.ok('b');
    expect(codeFor('b')).toBe('already_completed');
  });

  test('the alternative in use can be skipped too', () => {
    const run = scenario(config('fallback', [{ id: 'a' }, { id: 'spare', is_fallback: true }, { id: 'b' }])).start();
    run.fails('a').when({ type: 'SkipStep', stepId: 'spare' });
    expect(run.last).toEqual(['StepSkipped spare requested', 'StepScheduled b #1']);
  });
});

describe('terminate', () => {
  test('ends at once, also while being undone', () => {
    const definition = config('sequential', [{ id: 'a', compensate: { agent: 'undo' } }, { id: 'b' }]);
    const run = scenario(definition).start().ok('a').fails('b');
    expect(run.status).toBe('compensation');
    expect(run.when({ type: 'CancelExecution' }).rejected?.code).toBe('compensating');
    expect(run.when({ type: 'PauseExecution' }).rejected?.code).toBe('compensating');
    run.when({ type: 'TerminateExecution', reason: 'enough' });
    expect(run.lastEvents).toEqual([
      event('ExecutionCancelled', {
        reason: 'enough',
        compensation: { compensated: [], notCompensated: ['a'] },
        terminated: true,
      }),
    ]);
  });
});

/** A group of three members, and a step after it. */
function panel(group: Partial<ConsensusGroup>): OrchestrationDefinition {
  return config(
    'consensus',
    [
      { id: 'x', consensus_group: 'g' },
      { id: 'y', consensus_group: 'g' },
      { id: 'z', consensus_group: 'g' },
      { id: 'after', dependencies: ['g'] },
    ],
    { consensus_groups: [{ id: 'g', ...group }] },
  );
}

describe('retry of a finished execution', () => {
  test('runs again from the failed steps and keeps the completed ones', () => {
    const definition = config('parallel', [
      { id: 'a' },
      { id: 'b', dependencies: ['a'] },
      { id: 'c', dependencies: ['b'] },
    ]);
    const run = scenario(definition).start({ x: 1 }).ok('a', 'kept').fails('b');
    expect(run.status).toBe('failed');
    expect(run.when({ type: 'RetryExecution', by: 'bob' }).last).toEqual(['ExecutionRetried', 'StepScheduled b #2']);
    expect(run.fails('b', failure('broken', false), 1).outcome).toBe('recorded');
    expect(taskInput(run.state, 'b')).toEqual({ x: 1, a: 'kept' });
    expect(run.ok('b').last).toEqual(['StepCompleted b #2', 'StepScheduled c #1']);
    expect(run.ok('c').status).toBe('completed');
    expect(view(run.state).failure).toBeUndefined();
  });

  test('an attempt that was running at the cancel counts as stopped', () => {
    const run = scenario(chain).start().when({ type: 'CancelExecution' }).when({ type: 'RetryExecution' });
    expect(run.last).toEqual(['ExecutionRetried', 'StepScheduled a #2']);
    expect(run.ok('a', 1, 1).outcome).toBe('stale');
  });

  test('keeps what an alternative has served, and starts failed chains from their main step', () => {
    const definition = config('fallback', [
      { id: 'a' },
      { id: 'a2', fallback_for: 'a' },
      { id: 'b' },
      { id: 'b2', fallback_for: 'b' },
    ]);
    const run = scenario(definition).start().fails('a').ok('a2', 'served').fails('b').fails('b2');
    expect(run.status).toBe('failed');
    expect(run.when({ type: 'RetryExecution' }).last).toEqual(['ExecutionRetried', 'StepScheduled b #2']);
    expect(run.fails('b').last).toContain('StepScheduled b2 #2');
    run.ok('b2', 'saved');
    expect(run.state.output).toEqual({ a: 'served', b: 'saved' });
  });

  test('a group that failed votes again', () => {
    const definition = config(
      'consensus',
      [
        { id: 'x', consensus_group: 'g' },
        { id: 'y', consensus_group: 'g' },
      ],
      { consensus_groups: [{ id: 'g', mode: 'unanimous' }] },
    );
    const run = scenario(definition).start().ok('x', 1).ok('y', 2);
    expect(run.status).toBe('failed');
    run.when({ type: 'RetryExecution' });
    expect(run.last).toEqual(['ExecutionRetried', 'StepScheduled x #2', 'StepScheduled y #2']);
    expect(run.ok('x', 1).ok('y', 1).status).toBe('completed');
    const half = scenario(definition).start().ok('x', 1).fails('y').when({ type: 'RetryExecution' });
    expect(half.last).toEqual(['ExecutionRetried', 'StepScheduled y #2']);
    expect(half.ok('y', 1).status).toBe('completed');
    const without = scenario(definition).start().when({ type: 'SkipStep', stepId: 'x' }).fails('y');
    expect(without.when({ type: 'RetryExecution' }).last).toEqual(['ExecutionRetried', 'StepScheduled y #2']);
    expect(without.ok('y', 1).status).toBe('completed');
  });

  test('a group that failed early because its members disagreed votes again with all of them', () => {
    const run = scenario(panel({ mode: 'unanimous', early_stop: true }))
      .start()
      .ok('x', 1)
      .ok('y', 2);
    expect(run.last).toContain('StepSkipped z consensus_reached');
    run.when({ type: 'RetryExecution' });
    expect(run.last).toEqual(['ExecutionRetried', 'StepScheduled x #2', 'StepScheduled y #2', 'StepScheduled z #2']);
    expect(run.ok('x', 1).ok('y', 1).ok('z', 1).last).toContain('StepScheduled after #1');
  });

  test('a group that reached its outcome is completed: its failed and stopped members do not run again', () => {
    const run = scenario(panel({ mode: 'majority', vote_key: '$ + 1', early_stop: true }))
      .start()
      .fails('x')
      .ok('y', 1);
    run.evaluated('vote:y', 2).ok('z', 1);
    expect(run.evaluated('vote:z', 2).last).toContain('StepScheduled after #1');
    const before = view(run.fails('after').state);
    expect(before.status).toBe('failed');
    expect(run.when({ type: 'RetryExecution' }).last).toEqual(['ExecutionRetried', 'StepScheduled after #2']);
    const again = view(run.state);
    expect(again.steps.map((step) => step.status)).toEqual(['failed', 'completed', 'completed', 'running']);
    expect(again.consensus).toEqual(before.consensus);
    expect(run.ok('after').status).toBe('completed');

    const stopped = scenario(panel({ threshold: 0.6, early_stop: true }))
      .start()
      .ok('x', {})
      .ok('y', {})
      .fails('after');
    expect(stopped.when({ type: 'RetryExecution' }).last).toEqual(['ExecutionRetried', 'StepScheduled after #2']);
    expect(view(stopped.state).steps[2]).toMatchObject({ status: 'skipped', skipReason: 'consensus_reached' });
  });

  test('a group that an alternative served is completed too', () => {
    const definition = panel({ mode: 'unanimous', on_failure: 'fallback' });
    const served = { ...definition, steps: [...definition.steps, step({ id: 'instead', fallback_for: 'g' })] };
    const run = scenario(served).start().ok('x', 1).fails('y').ok('z', 2).ok('instead', 'kept').fails('after');
    expect(run.when({ type: 'RetryExecution' }).last).toEqual(['ExecutionRetried', 'StepScheduled after #2']);
    expect(run.ok('after').status).toBe('completed');
  });

  test('a member whose alternative served it is kept, and its vote counts again', () => {
    const definition = panel({ mode: 'unanimous' });
    const [x, ...others] = definition.steps;
    const steps = [step({ ...x, id: 'x', on_failure: 'fallback' }), ...others, step({ id: 'x2', fallback_for: 'x' })];
    const run = scenario({ ...definition, steps })
      .start()
      .fails('x')
      .ok('x2', 1)
      .ok('y', 1)
      .fails('z');
    expect(run.status).toBe('failed');
    expect(run.when({ type: 'RetryExecution' }).last).toEqual(['ExecutionRetried', 'StepScheduled z #2']);
    expect(run.ok('z', 1).last).toContain('StepScheduled after #1');

    const disagreed = scenario({ ...definition, steps })
      .start()
      .fails('x')
      .ok('x2', 1)
      .ok('y', 2)
      .ok('z', 2);
    expect(disagreed.when({ type: 'RetryExecution' }).last).toEqual([
      'ExecutionRetried',
      'StepScheduled x #2',
      'StepScheduled y #2',
      'StepScheduled z #2',
    ]);
  });

  test('what does not apply is refused with its reason', () => {
    const run = scenario(chain).start();
    const code = () => run.when({ type: 'RetryExecution' }).rejected?.code;
    expect(code()).toBe('not_retryable');
    run.ok('a').ok('b');
    expect(code()).toBe('already_completed');
    const undone = scenario(config('sequential', [{ id: 'a', compensate: { agent: 'undo' } }, { id: 'b' }]));
    undone.start().ok('a').fails('b').ok('a:compensate');
    expect(undone.status).toBe('failed');
    expect(undone.when({ type: 'RetryExecution' }).rejected?.code).toBe('already_compensated');
  });
});

describe('the view', () => {
  test('says who did what, when and why, and who brought the execution where it is', () => {
    const run = scenario(config('sequential', [{ id: 'a' }, { id: 'b' }, { id: 'c' }])).start();
    run.when({ type: 'PauseExecution', by: 'ann', reason: 'a check' });
    expect(view(run.state)).toMatchObject({ status: 'paused', pausedBy: 'ann', pauseReason: 'a check' });
    run.now += 10;
    run.when({ type: 'ResumeExecution', by: 'bob', reason: 'checked' });
    expect(view(run.state)).not.toHaveProperty('pausedBy');
    run.when({ type: 'SkipStep', stepId: 'b', by: 'cat', reason: 'not needed' });
    expect(view(run.state).steps[1]).toMatchObject({
      skipReason: 'requested',
      skippedBy: 'cat',
      skipComment: 'not needed',
    });
    run.when({ type: 'TerminateExecution', by: 'dan', reason: 'enough' });
    expect(view(run.state)).toMatchObject({ cancelledBy: 'dan', cancelReason: 'enough', terminated: true });
    run.when({ type: 'RetryExecution', by: 'eve', reason: 'after all' });
    expect(view(run.state)).not.toHaveProperty('cancelledBy');
    run.when({ type: 'CancelExecution', by: 'fay', reason: 'no' });
    const shown = view(run.state);
    expect(shown).toMatchObject({ cancelledBy: 'fay', cancelReason: 'no' });
    expect(shown).not.toHaveProperty('terminated');
    expect(shown.controls).toEqual([
      { command: 'pause', at: NOON, by: 'ann', reason: 'a check' },
      { command: 'resume', at: NOON + 10, by: 'bob', reason: 'checked' },
      { command: 'skip', at: NOON + 10, by: 'cat', reason: 'not needed', stepId: 'b' },
      { command: 'terminate', at: NOON + 10, by: 'dan', reason: 'enough' },
      { command: 'retry', at: NOON + 10, by: 'eve', reason: 'after all' },
      { command: 'cancel', at: NOON + 10, by: 'fay', reason: 'no' },
    ]);
  });

  test('shows the last hundred commands, and nothing of the kind where nobody commanded', () => {
    const run = scenario(config('sequential', [{ id: 'a' }])).start();
    expect(view(run.state)).not.toHaveProperty('controls');
    for (let round = 0; round < 60; round++) {
      run.when({ type: 'PauseExecution', reason: `${round}` }).when({ type: 'ResumeExecution' });
    }
    const { controls = [] } = view(run.state);
    expect(controls).toHaveLength(100);
    expect(controls[0]).toMatchObject({ command: 'pause', reason: '10' });
  });
});
