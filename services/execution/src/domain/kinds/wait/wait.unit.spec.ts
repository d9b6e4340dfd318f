import { describe, expect, test } from '@jest/globals';
import type { JsonValue } from '@batuta/contracts';
import { forkFrom } from '../../fork.js';
import { decodeSnapshot, encodeSnapshot } from '../../state/snapshot.js';
import { nextWake } from '../../state/timers.js';
import { view } from '../../view/view.js';
import { NOON, config, scenario, type Scenario } from '../../../../test/engine/scenario.js';

const MINUTE = 60_000;
const iso = (at: number): string => new Date(at).toISOString();
const stepOf = (run: Scenario, id: string) => view(run.state).steps.find(({ stepId }) => stepId === id);

const COOL = config('sequential', [
  { id: 'heat' },
  { id: 'cool', dependencies: ['heat'], wait: { duration_ms: MINUTE } },
  { id: 'serve', dependencies: ['cool'] },
]);

/** An execution of COOL that waits. */
const waiting = (): Scenario => scenario(COOL).start({}).ok('heat');

describe('a step with a wait', () => {
  test('begins in its turn, dispatches nothing and shows until when', () => {
    const run = waiting();
    expect(run.last).toEqual(['StepCompleted heat #1', 'WaitStarted cool']);
    expect(run.lastEvents[1]?.data).toEqual({ stepId: 'cool', untilAt: NOON + MINUTE });
    expect(run.effects).toEqual([]);
    expect(run.wanted).toEqual([]);
    expect(nextWake(run.state)).toBe(NOON + MINUTE);
    expect(stepOf(run, 'cool')).toMatchObject({
      status: 'running',
      attempt: 0,
      wait: { status: 'waiting', sinceAt: NOON, untilAt: NOON + MINUTE },
    });
  });

  test('is over when its time has come, and not before', () => {
    const run = waiting();
    expect(run.wakes(MINUTE - 1).last).toEqual([]);
    expect(run.wakes(1).last).toEqual(['StepCompleted cool #0', 'StepScheduled serve #1']);
    expect(stepOf(run, 'cool')).toMatchObject({
      status: 'completed',
      output: { until: iso(NOON + MINUTE) },
      latencyMs: MINUTE,
      wait: { status: 'over', untilAt: NOON + MINUTE },
    });
  });

  test.each<[JsonValue, number]>([
    [iso(NOON + 5), NOON + 5],
    ['2023-11-14T23:13:20.250+01:00', NOON + 250],
    [NOON + 7, NOON + 7],
    [NOON + 6.5, NOON + 7],
  ])('waits until what its expression gives: %j', (value, untilAt) => {
    const run = scenario(config('parallel', [{ id: 'w', wait: { until: '{% input.at %}' } }])).start({ at: value });
    expect(run.lastEvents.at(-1)).toEqual({ type: 'WaitStarted', data: { stepId: 'w', untilAt } });
  });

  test.each<[JsonValue]>([[iso(NOON)], ['1999-01-01T00:00:00Z'], [NOON - 1], [0], [-5]])(
    'does not wait for a time that has passed: %j',
    (value) => {
      const run = scenario(config('parallel', [{ id: 'w', wait: { until: '{% input.at %}' } }])).start({ at: value });
      expect(run.last.slice(1)).toEqual(['WaitStarted w', 'StepCompleted w #0', 'ExecutionCompleted']);
    },
  );

  test.each<[JsonValue]>([['tomorrow'], ['2026-02-30T00:00:00Z'], [null], [true], [[NOON]], [{ at: 1 }], [1e300]])(
    'fails when its expression gives no time: %j',
    (value) => {
      const run = scenario(config('parallel', [{ id: 'w', wait: { until: '{% input.at %}' } }])).start({ at: value });
      expect(run.last.slice(1)).toEqual(['StepFailed w wait_invalid abort', 'ExecutionFailed w wait_invalid']);
    },
  );

  test('shows no more of a long value than a message needs', () => {
    const definition = config('parallel', [{ id: 'w', wait: { until: '{% input.at %}' } }]);
    const run = scenario(definition).start({ at: 'x'.repeat(100_000) });
    expect(stepOf(run, 'w')?.failure?.message.length).toBeLessThan(250);
  });

  test('asks the sandbox for what is more than a path, once', () => {
    const run = scenario(config('parallel', [{ id: 'w', wait: { until: '{% $millis() + input.ms %}' } }])).start({});
    expect(run.last.at(-1)).toBe('EvaluationRequested input:w');
    run.evaluated('input:w', NOON + 9);
    expect(run.last).toEqual(['EvaluationRecorded input:w', 'WaitStarted w']);
    expect(nextWake(run.state)).toBe(NOON + 9);
  });

  test('takes no slot, and holds up the next step where one runs at a time', () => {
    const side = config('parallel', [{ id: 'w', wait: { duration_ms: 5 } }, { id: 'a' }], {
      settings: { parallel_limit: 1 },
    });
    expect(scenario(side).start({}).last.slice(1)).toEqual(['WaitStarted w', 'StepScheduled a #1']);
    const list = config('sequential', [{ id: 'w', wait: { duration_ms: 5 } }, { id: 'a' }]);
    expect(scenario(list).start({}).last.slice(1)).toEqual(['WaitStarted w']);
  });

  test('stands in for a step that failed', () => {
    const definition = config('parallel', [
      { id: 'a', on_failure: 'fallback' },
      { id: 'w', fallback_for: 'a', wait: { duration_ms: 5 } },
    ]);
    const run = scenario(definition).start({}).fails('a').wakes(5);
    expect(view(run.state)).toMatchObject({ status: 'completed', output: { until: iso(NOON + 5) } });
  });
});

describe('while a step waits', () => {
  test('a pause lets time pass, and what fell due happens at the resume', () => {
    const run = waiting().when({ type: 'PauseExecution', now: true });
    expect(stepOf(run, 'cool')?.wait?.status).toBe('waiting');
    expect(run.wakes(2 * MINUTE).last).toEqual([]);
    expect(run.when({ type: 'ResumeExecution' }).last).toEqual([
      'ExecutionResumed',
      'StepCompleted cool #0',
      'StepScheduled serve #1',
    ]);
  });

  test('a resume before its time goes on waiting for the same time', () => {
    const run = waiting().when({ type: 'PauseExecution' });
    run.now += 10;
    expect(run.when({ type: 'ResumeExecution' }).last).toEqual(['ExecutionResumed']);
    expect(nextWake(run.state)).toBe(NOON + MINUTE);
  });

  test('a skip ends the wait, and its time has no effect', () => {
    const run = waiting().when({ type: 'SkipStep', stepId: 'cool', by: 'ann' });
    expect(run.last).toEqual(['StepSkipped cool requested', 'StepScheduled serve #1']);
    expect(stepOf(run, 'cool')).toMatchObject({ status: 'skipped', wait: { status: 'withdrawn' } });
    expect(run.wakes(2 * MINUTE).last).toEqual([]);
  });

  test('a cancel ends it at once', () => {
    const run = waiting().when({ type: 'CancelExecution' });
    expect(run.last).toEqual(['ExecutionCancelled']);
    expect(stepOf(run, 'cool')).toMatchObject({ status: 'skipped', wait: { status: 'withdrawn' } });
    expect(nextWake(run.state)).toBeUndefined();
  });

  test('an undoing withdraws it', () => {
    const definition = config('parallel', [
      { id: 'a', compensate: { agent: 'echo' } },
      { id: 'w', dependencies: ['a'], wait: { duration_ms: MINUTE } },
    ]);
    const run = scenario(definition).start({}).ok('a').when({ type: 'CancelExecution', compensate: true });
    expect(run.wakes(2 * MINUTE).last).toEqual([]);
    expect(stepOf(run, 'w')?.wait?.status).toBe('withdrawn');
    expect(run.ok('a:compensate').last.at(-1)).toBe('ExecutionCancelled');
  });

  test('the execution may run out of time first', () => {
    const definition = config('parallel', [{ id: 'w', wait: { duration_ms: MINUTE } }], {
      settings: { timeout_ms: MINUTE / 2 },
    });
    const run = scenario(definition)
      .start({})
      .wakes(MINUTE / 2);
    expect(run.last).toEqual(['ExecutionFailed execution_timeout']);
  });

  test('nobody can decide it', () => {
    expect(waiting().approves('cool').rejected).toMatchObject({ code: 'not_awaiting_approval' });
  });

  test('a snapshot keeps until when', () => {
    const run = waiting();
    const restored = decodeSnapshot(
      run.state.config,
      JSON.parse(JSON.stringify(encodeSnapshot(run.state))) as JsonValue,
    );
    expect(restored === undefined ? undefined : view(restored)).toEqual(view(run.state));
    expect(restored === undefined ? undefined : nextWake(restored)).toBe(NOON + MINUTE);
  });
});

describe('afterwards', () => {
  test('a retry keeps a wait that is over, and begins one anew that was withdrawn', () => {
    const done = waiting().wakes(MINUTE).fails('serve');
    expect(done.when({ type: 'RetryExecution' }).last).toEqual(['ExecutionRetried', 'StepScheduled serve #2']);
    const withdrawn = waiting().when({ type: 'CancelExecution' });
    withdrawn.now += 10 * MINUTE;
    expect(withdrawn.when({ type: 'RetryExecution' }).lastEvents[1]).toEqual({
      type: 'WaitStarted',
      data: { stepId: 'cool', untilAt: NOON + 11 * MINUTE },
    });
  });

  test('a fork takes it over when it is over, and waits anew from it', () => {
    const run = waiting().wakes(MINUTE).ok('serve');
    expect(forkFrom(run.state, 'serve', {})).toMatchObject({ reused: [{ stepId: 'heat' }, { stepId: 'cool' }] });
    expect(forkFrom(run.state, 'cool', {})).toMatchObject({ reused: [{ stepId: 'heat' }] });
  });

  test('it costs nothing: beyond the budget it is still over, and the execution ends when an agent would have to run', () => {
    const definition = config('parallel', [{ id: 'a' }, { id: 'w', wait: { duration_ms: MINUTE } }], {
      settings: { budget: { max_tokens: 1 } },
    });
    const run = scenario(definition).start({}).ok('a', { _tokens: 5 });
    expect(run.last.at(-1)).toBe('BudgetExceeded');
    expect(run.wakes(MINUTE).last).toEqual(['StepCompleted w #0', 'ExecutionCompleted']);
  });
});
