import { describe, expect, test } from '@jest/globals';
import { LIMITS, type JsonValue } from '@batuta/contracts';
import { forkFrom } from '../../fork.js';
import { decodeSnapshot, encodeSnapshot } from '../../state/snapshot.js';
import { nextWake } from '../../state/timers.js';
import { view } from '../../view/view.js';
import { NOON, config, scenario, type Scenario } from '../../../../test/engine/scenario.js';

const MINUTE = 60_000;
const stepOf = (run: Scenario, id: string) => view(run.state).steps.find(({ stepId }) => stepId === id);

const ORDER = config('sequential', [
  { id: 'order' },
  { id: 'paid', dependencies: ['order'], signal: { name: 'payment', timeout_ms: MINUTE } },
  { id: 'send', dependencies: ['paid'] },
]);

/** An execution of ORDER that waits for its payment. */
const waiting = (): Scenario => scenario(ORDER).start({}).ok('order');

describe('a step with a signal', () => {
  test('waits in its turn, dispatches nothing and shows what for and until when', () => {
    const run = waiting();
    expect(run.last).toEqual(['StepCompleted order #1', 'SignalAwaited paid']);
    expect(run.lastEvents[1]?.data).toEqual({ stepId: 'paid', name: 'payment', deadlineAt: NOON + MINUTE });
    expect(run.wanted).toEqual([]);
    expect(nextWake(run.state)).toBe(NOON + MINUTE);
    expect(stepOf(run, 'paid')).toMatchObject({
      status: 'running',
      attempt: 0,
      signal: { status: 'waiting', name: 'payment', sinceAt: NOON, deadlineAt: NOON + MINUTE },
    });
  });

  test('is done with what the signal brings, and keeps who sent it', () => {
    const run = waiting();
    run.now += 5;
    run.signals('payment', { amount: 12 });
    expect(run.last).toEqual(['SignalReceived paid', 'StepCompleted paid #0', 'StepScheduled send #1']);
    expect(stepOf(run, 'paid')).toMatchObject({
      status: 'completed',
      output: { amount: 12 },
      signal: { status: 'received', receivedAt: NOON + 5, receivedBy: 'alice' },
    });
    expect(run.wakes(2 * MINUTE).last).toEqual([]);
  });

  test('without a payload gives null, and waits as long as the execution lives without a time of its own', () => {
    const run = scenario(config('parallel', [{ id: 's', signal: { name: 'go' } }])).start({});
    expect(nextWake(run.state)).toBe(run.state.deadlineAt);
    expect(run.signals('go').last.at(-1)).toBe('ExecutionCompleted');
    expect(view(run.state).output).toBeNull();
  });

  test('fails when nothing comes in time, which alternatives know as a timeout', () => {
    expect(waiting().wakes(MINUTE).last).toEqual([
      'StepFailed paid signal_timeout abort',
      'ExecutionFailed paid signal_timeout',
    ]);
    const served = config('parallel', [
      { id: 's', on_failure: 'fallback', signal: { name: 'go', timeout_ms: 5 } },
      { id: 'late', fallback_for: 's', fallback_when: ['timeout'] },
    ]);
    const run = scenario(served).start({}).wakes(5);
    expect(run.last).toEqual(['StepFailed s signal_timeout fallback late', 'StepScheduled late #1']);
    expect(stepOf(run, 's')?.signal?.status).toBe('timed_out');
  });

  test.each<[JsonValue | undefined, JsonValue]>([
    [{ amount: 0 }, { amount: 0 }],
    [undefined, null],
  ])('goes on with its default %j when that is said', (otherwise, output) => {
    const definition = config('parallel', [
      {
        id: 's',
        signal: {
          name: 'go',
          timeout_ms: 5,
          on_timeout: 'continue',
          ...(otherwise === undefined ? {} : { default: otherwise }),
        },
      },
    ]);
    const run = scenario(definition).start({}).wakes(5);
    expect(run.last).toEqual(['StepCompleted s #0', 'ExecutionCompleted']);
    expect(stepOf(run, 's')).toMatchObject({ output, signal: { status: 'timed_out' } });
  });

  test('takes no slot, and holds up the next step where one runs at a time', () => {
    const side = config('parallel', [{ id: 's', signal: { name: 'go' } }, { id: 'a' }], {
      settings: { parallel_limit: 1 },
    });
    expect(scenario(side).start({}).last.slice(1)).toEqual(['SignalAwaited s', 'StepScheduled a #1']);
    const list = config('sequential', [{ id: 's', signal: { name: 'go' } }, { id: 'a' }]);
    expect(scenario(list).start({}).last.slice(1)).toEqual(['SignalAwaited s']);
  });
});

describe('a signal that comes before its step', () => {
  test('is kept, shown and taken in turn, by nobody twice', () => {
    const run = scenario(ORDER).start({}).signals('payment', { amount: 3 });
    expect(run.last).toEqual(['SignalReceived']);
    expect(view(run.state).keptSignals).toEqual([{ name: 'payment', receivedAt: NOON, receivedBy: 'alice' }]);
    run.ok('order');
    expect(run.last).toEqual([
      'StepCompleted order #1',
      'SignalAwaited paid',
      'StepCompleted paid #0',
      'StepScheduled send #1',
    ]);
    expect(run.lastEvents[1]?.data).toEqual({ stepId: 'paid', name: 'payment', taken: 3 });
    expect(stepOf(run, 'paid')).toMatchObject({ output: { amount: 3 }, signal: { status: 'received' } });
    expect(view(run.state).keptSignals).toBeUndefined();
  });

  test('is one of as many as steps can still take it; the oldest comes first', () => {
    const definition = config('sequential', [
      { id: 'a' },
      { id: 's', signal: { name: 'go' } },
      { id: 't', signal: { name: 'go' } },
    ]);
    const run = scenario(definition).start({}).signals('go', 1).signals('go', 2);
    expect(run.signals('go', 3).rejected).toMatchObject({ code: 'not_awaiting_signal' });
    run.ok('a');
    expect([stepOf(run, 's')?.output, stepOf(run, 't')?.output]).toEqual([1, 2]);
  });

  test('does not start an execution before its time', () => {
    const run = scenario(ORDER)
      .start({}, { startAt: NOON + MINUTE })
      .signals('payment', 1);
    expect(run.status).toBe('pending');
    expect(run.wakes(MINUTE).last).toEqual(['StepScheduled order #1']);
    expect(run.ok('order').last).toContain('StepCompleted paid #0');
  });

  test('is kept by a snapshot, a pause and a retry', () => {
    const run = scenario(ORDER).start({}).signals('payment', 7).when({ type: 'PauseExecution', now: true });
    run.when({ type: 'ResumeExecution' }).when({ type: 'CancelExecution' }).when({ type: 'RetryExecution' });
    const json = JSON.parse(JSON.stringify(encodeSnapshot(run.state))) as JsonValue;
    const restored = decodeSnapshot(run.state.config, json);
    expect(restored === undefined ? undefined : view(restored)).toEqual(view(run.state));
    expect(run.ok('order').last).toContain('StepCompleted paid #0');
  });

  test('beyond the limit of an execution is refused', () => {
    const steps = Array.from({ length: LIMITS.keptSignals + 2 }, (_, index) => ({
      id: `s${index}`,
      dependencies: ['a'],
      signal: { name: 'go' },
    }));
    const run = scenario(config('parallel', [{ id: 'a' }, ...steps])).start({});
    for (let kept = 0; kept < LIMITS.keptSignals; kept++) expect(run.signals('go').outcome).toBe('done');
    expect(run.signals('go').rejected).toMatchObject({ code: 'not_awaiting_signal' });
  });
});

describe('a signal', () => {
  test('is for the first step in the list that waits', () => {
    const definition = config('parallel', [
      { id: 's', signal: { name: 'go' } },
      { id: 't', signal: { name: 'go' } },
    ]);
    const run = scenario(definition).start({}).signals('go', 1);
    expect([stepOf(run, 's')?.status, stepOf(run, 't')?.status]).toEqual(['completed', 'running']);
    expect(run.signals('go', 2).last.at(-1)).toBe('ExecutionCompleted');
  });

  test('of a name that no step has is refused, with the names that there are', () => {
    const { rejected } = waiting().signals('paymnt');
    expect(rejected?.code).toBe('signal_not_found');
    expect(rejected?.message).toContain('payment');
    expect(
      scenario(config('parallel', [{ id: 'a' }]))
        .start({})
        .signals('go').rejected?.code,
    ).toBe('signal_not_found');
  });

  test('that no step is left for is refused', () => {
    const run = waiting().signals('payment', 1);
    expect(run.signals('payment', 2).rejected).toMatchObject({ code: 'not_awaiting_signal' });
  });

  test('with the same id is a repeat', () => {
    const run = waiting();
    run.when({ type: 'SendSignal', id: '0190-same', name: 'payment', payload: 1 });
    run.when({ type: 'SendSignal', id: '0190-same', name: 'payment', payload: 1 });
    expect(run.outcome).toBe('repeated');
  });

  test('of an execution that has ended, or is being undone, says so', () => {
    expect(waiting().when({ type: 'CancelExecution' }).signals('payment').rejected?.code).toBe('already_cancelled');
    expect(waiting().wakes(MINUTE).signals('payment').rejected?.code).toBe('already_failed');
    const undone = config('parallel', [
      { id: 'a', compensate: { agent: 'echo' } },
      { id: 's', dependencies: ['a'], signal: { name: 'go' } },
    ]);
    const run = scenario(undone).start({}).ok('a').when({ type: 'CancelExecution', compensate: true });
    expect(run.signals('go').rejected?.code).toBe('compensating');
    expect(stepOf(run, 's')?.signal?.status).toBe('withdrawn');
  });

  test('has at most so many bytes', () => {
    const run = waiting();
    expect(run.signals('payment', 'x'.repeat(LIMITS.signalBytes)).rejected?.code).toBe('payload_too_large');
    expect(run.signals('payment', 'x'.repeat(LIMITS.signalBytes - 2)).outcome).toBe('done');
  });

  test('counts in a pause, and what follows waits for the resume', () => {
    const run = waiting().when({ type: 'PauseExecution', now: true }).signals('payment', 1);
    expect(run.last).toEqual(['SignalReceived paid', 'StepCompleted paid #0']);
    expect(run.when({ type: 'ResumeExecution' }).last).toEqual(['ExecutionResumed', 'StepScheduled send #1']);
  });

  test('counts when its time has passed and nobody has noted that yet', () => {
    const run = waiting();
    run.now += 2 * MINUTE;
    expect(run.signals('payment', 1).last).toContain('StepCompleted paid #0');
  });
});

describe('while a step waits for a signal', () => {
  test('its time-out waits for the resume of a pause', () => {
    const run = waiting().when({ type: 'PauseExecution' });
    expect(run.wakes(2 * MINUTE).last).toEqual([]);
    expect(run.when({ type: 'ResumeExecution' }).last.slice(1, 2)).toEqual(['StepFailed paid signal_timeout abort']);
  });

  test('a skip withdraws it', () => {
    const run = waiting().when({ type: 'SkipStep', stepId: 'paid' });
    expect(stepOf(run, 'paid')).toMatchObject({ status: 'skipped', signal: { status: 'withdrawn' } });
    expect(run.signals('payment').rejected?.code).toBe('not_awaiting_signal');
  });

  test('a retry keeps what was received, and waits anew for what was not', () => {
    const received = waiting().signals('payment', 1).fails('send');
    expect(received.when({ type: 'RetryExecution' }).last).toEqual(['ExecutionRetried', 'StepScheduled send #2']);
    const missed = waiting().wakes(MINUTE);
    expect(missed.when({ type: 'RetryExecution' }).lastEvents[1]?.data).toEqual({
      stepId: 'paid',
      name: 'payment',
      deadlineAt: NOON + 2 * MINUTE,
    });
  });

  test('a fork takes over what was received, and nothing that was kept', () => {
    const run = waiting().signals('payment', 1).ok('send');
    expect(forkFrom(run.state, 'send', {})).toMatchObject({
      reused: [{ stepId: 'order' }, { stepId: 'paid', output: 1 }],
    });
    expect(forkFrom(run.state, 'paid', {})).toMatchObject({ reused: [{ stepId: 'order' }] });
  });
});
