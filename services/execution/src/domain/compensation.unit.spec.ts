import { describe, expect, test } from '@jest/globals';
import { taskInput } from './inputs.js';
import { view } from './view.js';
import { config, event, failure, scenario } from '../../test/engine/scenario.js';

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
});
