import { describe, expect, test } from '@jest/globals';
import { taskInput } from '../expressions/inputs.js';
import { view } from '../view/view.js';
import { config, event, failure, scenario } from '../../../test/engine/scenario.js';

const undo = { agent: 'undo' };
const trip = config('parallel', [
  { id: 'flight', compensate: undo },
  {
    id: 'hotel',
    compensate: { agent: 'undo', input: { booking: '{% output.id %}', flight: '{% outputs.flight.id %}' } },
    dependencies: ['flight'],
  },
  { id: 'mail', dependencies: ['flight'] },
  { id: 'pay', dependencies: ['hotel', 'mail'] },
]);

describe('compensation', () => {
  test('undoes the completed steps in reverse order of completion, then the execution has failed', () => {
    const run = scenario(trip)
      .start({ user: 'ann' })
      .ok('flight', { id: 1 })
      .ok('hotel', { id: 2 })
      .ok('mail')
      .fails('pay');
    expect(run.last).toEqual([
      'StepAttemptFailed pay #1 broken final',
      'StepFailed pay broken abort',
      'CompensationStarted pay',
      'StepScheduled hotel:compensate #1',
    ]);
    expect(run.status).toBe('compensation');
    expect(taskInput(run.state, 'hotel:compensate')).toEqual({ booking: 2, flight: 1 });
    expect(run.ok('hotel:compensate').last).toEqual([
      'StepCompleted hotel:compensate #1',
      'StepScheduled flight:compensate #1',
    ]);
    expect(taskInput(run.state, 'flight:compensate')).toEqual({ input: { user: 'ann' }, output: { id: 1 } });
    run.ok('flight:compensate');
    expect(run.lastEvents[1]).toEqual(
      event('ExecutionFailed', {
        failure: failure('broken', false),
        stepId: 'pay',
        compensation: { compensated: ['hotel', 'flight'], notCompensated: [] },
      }),
    );
    expect(view(run.state).compensations).toMatchObject([
      { stepId: 'flight', status: 'completed' },
      { stepId: 'hotel', status: 'completed' },
    ]);
  });

  test('waits for attempts in flight; those that complete are undone too, those that fail are not tried again', () => {
    const definition = config('parallel', [
      { id: 'bad' },
      { id: 'slow', compensate: undo },
      { id: 'other', retry: { max_attempts: 5, backoff_ms: 0 } },
      { id: 'later', dependencies: ['slow'] },
    ]);
    const run = scenario(definition).start().fails('bad');
    expect(run.last.at(-1)).toBe('CompensationStarted bad');
    expect(run.fails('other', failure('broken')).last).toEqual([
      'StepAttemptFailed other #1 broken final',
      'StepFailed other broken abort',
    ]);
    expect(run.ok('slow', 'done').last).toEqual(['StepCompleted slow #1', 'StepScheduled slow:compensate #1']);
    expect(run.ok('slow:compensate').status).toBe('failed');
  });

  test('one that fails for good stops the rest', () => {
    const definition = config('sequential', [
      { id: 'a', compensate: undo },
      { id: 'b', compensate: { agent: 'undo', retry: { max_attempts: 2, backoff_ms: 100, jitter: 'none' } } },
      { id: 'c' },
    ]);
    const run = scenario(definition).start().ok('a').ok('b').fails('c');
    run.fails('b:compensate', failure('locked'));
    expect(run.last).toEqual(['StepAttemptFailed b:compensate #1 locked +100']);
    expect(run.wakes(100).last).toEqual(['StepScheduled b:compensate #2']);
    run.fails('b:compensate', failure('locked'));
    expect(run.last).toEqual([
      'StepAttemptFailed b:compensate #2 locked final',
      'StepFailed b:compensate locked abort',
      'ExecutionFailed c broken',
    ]);
    expect(run.lastEvents[2]?.data).toMatchObject({ compensation: { compensated: [], notCompensated: ['b', 'a'] } });
    expect(view(run.state).compensation?.failedStepId).toBe('b');
  });

  test('a cancel with compensate undoes and ends as cancelled; without anything to undo it is a plain cancel', () => {
    const run = scenario(trip).start().ok('flight', { id: 1 });
    run.when({ type: 'CancelExecution', compensate: true, reason: 'changed my mind', by: 'ann' });
    expect(run.last).toEqual(['CompensationStarted']);
    expect(run.ok('hotel', { id: 2 }).ok('mail').last).toContain('StepScheduled hotel:compensate #1');
    run.ok('hotel:compensate').ok('flight:compensate');
    expect(run.lastEvents[1]).toEqual(
      event('ExecutionCancelled', {
        reason: 'changed my mind',
        by: 'ann',
        compensation: { compensated: ['hotel', 'flight'], notCompensated: [] },
      }),
    );
    const nothing = scenario(config('sequential', [{ id: 'a' }])).start();
    expect(nothing.when({ type: 'CancelExecution', compensate: true }).last).toEqual(['ExecutionCancelled']);
  });

  test('an input mapping that needs the sandbox is evaluated before the compensation starts', () => {
    const compensate = { agent: 'undo', input: { n: '{% $sum(output.items) %}' } };
    const run = scenario(config('sequential', [{ id: 'a', compensate }, { id: 'b' }]))
      .start()
      .ok('a', { items: [1, 2] });
    run.fails('b');
    expect(run.last.at(-1)).toBe('EvaluationRequested input:a:compensate');
    expect(run.effects.at(-1)).toMatchObject({ type: 'evaluate', expressions: ['$sum(output.items)'] });
    expect(run.evaluated('input:a:compensate', 3).last.at(-1)).toBe('StepScheduled a:compensate #1');
    expect(taskInput(run.state, 'a:compensate')).toEqual({ n: 3 });
  });

  test('the execution deadline ends the undoing too and lists what is left', () => {
    const run = scenario({ ...trip, settings: { timeout_ms: 1000 } })
      .start()
      .ok('flight', { id: 1 });
    run.when({ type: 'CancelExecution', compensate: true }).wakes(1000);
    expect(run.lastEvents[0]?.data).toMatchObject({
      failure: { code: 'execution_timeout' },
      compensation: { compensated: [], notCompensated: ['flight'] },
    });
  });

  const twoUndone = config('sequential', [
    { id: 'a', compensate: undo },
    { id: 'b', compensate: { agent: 'undo', input: { n: '{% $sum(output.items) %}' }, retry: { max_attempts: 2 } } },
    { id: 'c', compensate: undo },
    { id: 'd' },
  ]);

  /** c is undone, b cannot be undone, a is not reached. */
  function stuck() {
    const run = scenario(twoUndone)
      .start()
      .ok('a')
      .ok('b', { items: [1] })
      .ok('c')
      .fails('d');
    run.ok('c:compensate').evaluated('input:b:compensate', 1).fails('b:compensate', failure('locked', false));
    expect(run.last).toEqual([
      'StepAttemptFailed b:compensate #1 locked final',
      'StepFailed b:compensate locked abort',
      'ExecutionFailed d broken',
    ]);
    return run;
  }

  test('says which undoing failed, and why, also when its input cannot be made', () => {
    const outcome = { compensated: ['c'], notCompensated: ['b', 'a'] };
    expect(view(stuck().state).compensation).toEqual({
      ...outcome,
      failedStepId: 'b',
      failure: failure('locked', false),
    });
    const run = scenario(twoUndone)
      .start()
      .ok('a')
      .ok('b', { items: ['x'] })
      .ok('c')
      .fails('d');
    run.ok('c:compensate').evaluationFails('input:b:compensate');
    expect(run.last).toEqual([
      'EvaluationRecorded input:b:compensate',
      'StepFailed b:compensate expression_failed abort',
      'ExecutionFailed d broken',
    ]);
    const why = { failedStepId: 'b', failure: { code: 'expression_failed' } };
    expect(run.lastEvents[2]?.data).toMatchObject({ compensation: { ...outcome, ...why } });
    expect(view(run.state)).toMatchObject({
      compensation: why,
      compensations: [{ stepId: 'a' }, { stepId: 'b', status: 'failed', failure: why.failure }, { stepId: 'c' }],
    });
  });

  test('goes on where it stopped when somebody asks for it, and ends as the execution had ended', () => {
    const run = stuck();
    const late = run.attempt('b:compensate');
    run.now += 5_000;
    run.when({ type: 'CompensateExecution', by: 'ann', reason: 'unlocked it' });
    expect(run.last).toEqual(['ExecutionReopened', 'EvaluationRequested input:b:compensate']);
    expect([run.status, run.state.completedAt, run.state.deadlineAt]).toEqual([
      'compensation',
      0,
      run.now + run.state.config.timeoutMs,
    ]);
    expect(run.evaluated('input:b:compensate', 1).last.at(-1)).toBe('StepScheduled b:compensate #2');
    expect(run.ok('b:compensate', 1, late).outcome).toBe('recorded');
    // Its policy starts again: this is the first of two attempts.
    expect(run.fails('b:compensate', failure('locked')).last).toEqual([
      expect.stringMatching(/^StepAttemptFailed b:compensate #2 locked \+/),
      'StepScheduled b:compensate #3',
    ]);
    run.ok('b:compensate').ok('a:compensate');
    expect(run.last).toEqual(['StepCompleted a:compensate #1', 'ExecutionFailed d broken']);
    expect(view(run.state)).toMatchObject({
      status: 'failed',
      failure: { code: 'broken' },
      compensation: { compensated: ['c', 'b', 'a'], notCompensated: [] },
      controls: [{ command: 'compensate', by: 'ann', reason: 'unlocked it' }],
    });
    expect(view(run.state).compensation).not.toHaveProperty('failure');
    expect(run.when({ type: 'CompensateExecution' }).rejected?.code).toBe('nothing_to_compensate');
  });

  test('may be asked for as often as it fails', () => {
    const run = stuck();
    for (const attempt of [2, 3]) {
      run.when({ type: 'CompensateExecution' }).evaluated('input:b:compensate', 1);
      expect(run.attempt('b:compensate')).toBe(attempt);
      run.fails('b:compensate', failure('locked', false));
      expect(run.status).toBe('failed');
    }
    expect(view(run.state).compensation).toMatchObject({ compensated: ['c'], notCompensated: ['b', 'a'] });
  });

  test('a terminated undoing goes on too: the attempt that was stopped is made again, its late result means nothing', () => {
    const run = scenario(trip).start().ok('flight', { id: 1 });
    run
      .when({ type: 'CancelExecution', compensate: true, by: 'bob', reason: 'rain' })
      .ok('hotel', { id: 2 })
      .ok('mail');
    run.when({ type: 'TerminateExecution', by: 'cat' });
    expect(run.status).toBe('cancelled');
    run.when({ type: 'CompensateExecution', by: 'ann' });
    expect(run.last).toEqual(['ExecutionReopened', 'StepScheduled hotel:compensate #2']);
    expect(run.ok('hotel:compensate', 1, 1).outcome).toBe('stale');
    run.ok('hotel:compensate').ok('flight:compensate');
    expect(run.lastEvents[1]).toMatchObject({ type: 'ExecutionCancelled', data: { reason: 'rain', by: 'bob' } });
    const controls = view(run.state).controls?.map(({ command, by }) => `${command} ${by}`);
    expect(controls).toEqual(['cancel bob', 'terminate cat', 'compensate ann']);
  });

  test('an execution that was cancelled without it can be undone later; what ran then is not waited for', () => {
    const run = scenario(trip).start().ok('flight', { id: 1 }).when({ type: 'CancelExecution' });
    expect(run.when({ type: 'CompensateExecution' }).last).toEqual([
      'ExecutionReopened',
      'StepScheduled flight:compensate #1',
    ]);
    expect(run.ok('hotel', 2, 1).outcome).toBe('stale');
    expect(run.ok('flight:compensate').status).toBe('cancelled');
    expect(view(run.state).compensation).toEqual({ compensated: ['flight'], notCompensated: [] });
  });

  test('is refused while the execution runs, when it completed, and when nothing can be undone', () => {
    const run = scenario(config('sequential', [{ id: 'a', compensate: undo }, { id: 'b' }])).start();
    const ask = () => run.when({ type: 'CompensateExecution' }).rejected?.code;
    expect(ask()).toBe('not_applicable');
    run.ok('a').ok('b');
    expect(ask()).toBe('already_completed');
    const nothing = scenario(config('sequential', [{ id: 'a' }]))
      .start()
      .fails('a');
    expect(nothing.when({ type: 'CompensateExecution' }).rejected?.code).toBe('nothing_to_compensate');
    const undoing = scenario(trip).start().ok('flight').when({ type: 'CancelExecution', compensate: true });
    expect(undoing.when({ type: 'CompensateExecution' }).rejected?.code).toBe('compensating');
  });
});
