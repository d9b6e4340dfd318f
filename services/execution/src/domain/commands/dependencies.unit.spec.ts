import { describe, expect, test } from '@jest/globals';
import type { DependencyOn, EndMessage } from '@batuta/contracts';
import { commandIds } from './command.js';
import { decodeSnapshot, encodeSnapshot } from '../state/snapshot.js';
import { nextWake } from '../state/timers.js';
import { view } from '../view/view.js';
import { EXECUTION, NOON, config, scenario, type Scenario } from '../../../test/engine/scenario.js';

const TWO = config('sequential', [{ id: 'a' }, { id: 'b' }]);
const [FIRST, SECOND] = ['0198c0de-0000-7000-8000-000000000001', '0198c0de-0000-7000-8000-000000000002'];

function waiting(on: DependencyOn = 'success', more: Record<string, unknown> = {}): Scenario {
  return scenario(TWO).start(undefined, { after: [{ executionId: FIRST, on }], ...more });
}

function answers(run: Scenario, order: number, ended?: Partial<EndMessage>, dependencyId = FIRST): Scenario {
  return run.when({
    type: 'RecordDependencyAnswer',
    id: commandIds.dependencyAnswered(dependencyId, order),
    dependencyId,
    order,
    ...(ended === undefined ? {} : { ended: { status: 'completed', at: run.now, version: 7, ...ended } }),
  });
}

function ends(run: Scenario, end: Partial<EndMessage> = {}, childId = FIRST): Scenario {
  const full: EndMessage = { status: 'completed', at: run.now, version: 7, ...end };
  return run.when({ type: 'RecordChildEnd', id: commandIds.ended(childId), childId, end: full });
}

describe('an execution that waits for others', () => {
  test('is pending, asks each for its end, and says what it waits for', () => {
    const run = waiting();
    expect(run.status).toBe('pending');
    expect(run.last).toEqual(['ExecutionStarted']);
    expect(run.effects).toContainEqual({ type: 'askEnd', dependencyId: FIRST, order: 1 });
    expect(run.wanted).toEqual([{ type: 'askEnd', dependencyId: FIRST, order: 1 }]);
    answers(run, 1);
    expect(run.last).toEqual(['DependencyFound']);
    expect(run.wanted).toEqual([]);
    expect(view(run.state)).toMatchObject({
      status: 'pending',
      after: [{ executionId: FIRST, on: 'success', state: 'waiting' }],
      pendingReason: `waits for execution ${FIRST} to complete`,
    });
  });

  test('begins with the end of the last of them, and its time-out counts from then', () => {
    const run = waiting('success', {
      after: [
        { executionId: FIRST, on: 'success' },
        { executionId: SECOND, on: 'finished' },
      ],
    });
    expect(ends(run).last).toEqual(['DependencyEnded']);
    run.now += 5_000;
    expect(ends(run, { status: 'failed' }, SECOND).last).toEqual(['DependencyEnded', 'StepScheduled a #1']);
    expect(view(run.state)).toMatchObject({ status: 'running', startedAt: NOON + 5_000 });
    expect(view(run.state)).not.toHaveProperty('pendingReason');
    expect(run.state.deadlineAt).toBe(NOON + 5_000 + run.state.config.timeoutMs);
  });

  test('says that a process has not been started only when it was asked for in vain', () => {
    const after = [{ executionId: FIRST, on: 'success' as const, process: 'other' }];
    const run = waiting('success', { after });
    const told = { after: [{ state: 'waiting' }], pendingReason: 'waits for process other to complete' };
    const missing = {
      after: [{ state: 'not_started' }],
      pendingReason: 'waits for process other, which has not been started',
    };
    // The first answer is on its way.
    expect(view(run.state)).toMatchObject(told);
    const wake = (): void => {
      run.now = nextWake(run.state) ?? run.now;
      expect(run.wakes().last).toEqual(['DependenciesChecked']);
    };
    wake();
    expect(view(run.state)).toMatchObject(missing);
    answers(run, run.state.dependencies?.[0]?.asked ?? 0);
    expect(view(run.state)).toMatchObject(told);
    // One that was found is asked again after hours. That does not mean that it is not there.
    wake();
    expect(view(run.state)).toMatchObject(told);
    wake();
    expect(view(run.state)).toMatchObject(missing);
  });

  test('learns an end from the answer when the other one has ended already', () => {
    expect(answers(waiting(), 1, {}).last).toEqual(['DependencyEnded', 'StepScheduled a #1']);
  });

  test.each([
    ['success', 'completed', true],
    ['success', 'failed', false],
    ['success', 'cancelled', false],
    ['failed', 'completed', false],
    ['failed', 'failed', true],
    ['failed', 'cancelled', true],
    ['finished', 'completed', true],
    ['finished', 'cancelled', true],
  ] as const)('with on %s, an end as %s is the one that was asked for: %s', (on, status, met) => {
    const run = ends(waiting(on), { status });
    expect(run.status).toBe(met ? 'running' : 'failed');
    if (met) return;
    expect(view(run.state).failure).toMatchObject({
      code: 'dependency_failed',
      retryable: false,
      details: { execution_id: FIRST, on, ended: status },
    });
  });

  test('takes each end once, and no answer but that to its newest question', () => {
    const run = waiting('success', {
      after: [
        { executionId: FIRST, on: 'success' },
        { executionId: SECOND, on: 'success' },
      ],
    });
    expect(ends(run).outcome).toBe('recorded');
    expect(ends(run).outcome).toBe('stale');
    expect(answers(run, 1, {}).outcome).toBe('stale');
    expect(answers(run, 7, {}, SECOND).outcome).toBe('stale');
    expect(ends(run, {}, '0198c0de-0000-7000-8000-000000000009').outcome).toBe('stale');
  });

  // A task that failed because of what it waits for was often stuck in that state elsewhere, however the other one went on.
  test('a retry waits anew for what has not ended as asked, and keeps what has', () => {
    const run = waiting('success', {
      after: [
        { executionId: FIRST, on: 'success' },
        { executionId: SECOND, on: 'success' },
      ],
    });
    ends(run);
    ends(run, { status: 'failed', version: 9 }, SECOND);
    expect(run.status).toBe('failed');
    run.when({ type: 'RetryExecution' });
    expect(run.status).toBe('pending');
    const order = run.state.version;
    expect(run.wanted).toEqual([{ type: 'askEnd', dependencyId: SECOND, order }]);
    // The end of the earlier run arrives once more.
    expect(ends(run, { status: 'failed', version: 9 }, SECOND).outcome).toBe('stale');
    expect(answers(run, 1, { status: 'failed', version: 9 }, SECOND).outcome).toBe('stale');
    answers(run, order, undefined, SECOND);
    expect(ends(run, { version: 15 }, SECOND).last).toEqual(['DependencyEnded', 'StepScheduled a #1']);
  });

  test('a retry fails again when the other one is still failed, since its answer is of today', () => {
    const run = ends(waiting(), { status: 'failed', version: 9 }).when({ type: 'RetryExecution' });
    answers(run, run.state.version, { status: 'failed', version: 9 });
    expect(run.last).toEqual(['DependencyEnded', 'ExecutionFailed dependency_failed']);
  });

  test('waits for start_at too', () => {
    const run = ends(waiting('success', { startAt: NOON + 60_000 }));
    expect(run.last).toEqual(['DependencyEnded']);
    expect(nextWake(run.state)).toBe(NOON + 60_000);
    expect(run.wakes(60_000).last).toEqual(['StepScheduled a #1']);
  });

  test('can be cancelled, terminated, and paused, and goes on waiting after the pause', () => {
    expect(waiting().when({ type: 'CancelExecution' }).status).toBe('cancelled');
    expect(waiting().when({ type: 'TerminateExecution' }).status).toBe('cancelled');
    const run = waiting().when({ type: 'PauseExecution' }).when({ type: 'ResumeExecution' });
    expect(run.status).toBe('pending');
    run.when({ type: 'PauseExecution' });
    expect(ends(run).last).toEqual(['DependencyEnded']);
    expect(run.when({ type: 'ResumeExecution' }).last).toEqual(['ExecutionResumed', 'StepScheduled a #1']);
  });

  test('a failed dependency ends it after the pause in which that was told', () => {
    const run = waiting().when({ type: 'PauseExecution' });
    expect(ends(run, { status: 'failed' }).status).toBe('paused');
    expect(run.when({ type: 'ResumeExecution' }).last).toEqual([
      'ExecutionResumed',
      'ExecutionFailed dependency_failed',
    ]);
  });

  test('does not begin because a step is skipped meanwhile', () => {
    const run = waiting().when({ type: 'SkipStep', stepId: 'a' });
    expect(run.status).toBe('pending');
    expect(ends(run).last).toEqual(['DependencyEnded', 'StepScheduled b #1']);
  });

  test('asks again what is not there, the more rarely the longer, and what was found after hours', () => {
    const run = waiting();
    const times: number[] = [];
    for (let count = 0; count < 12; count++) {
      const next = nextWake(run.state) ?? 0;
      times.push(next - run.now);
      run.now = next;
      expect(run.wakes().last).toEqual(['DependenciesChecked']);
      expect(run.effects).toEqual([{ type: 'askEnd', dependencyId: FIRST, order: run.state.version }]);
    }
    expect(times.slice(0, 3)).toEqual([1_000, 1_000, 1_000]);
    expect(times.every((time, index) => time >= (times[index - 1] ?? 0) && time <= 300_000)).toBe(true);
    answers(run, run.state.version);
    expect(nextWake(run.state)).toBe(run.now + 6 * 3_600_000);
    expect(run.wakes(6 * 3_600_000).last).toEqual(['DependenciesChecked']);
  });

  test('does not wait for ever', () => {
    const run = waiting();
    run.now = run.state.deadlineAt;
    expect(run.wakes().last).toEqual(['ExecutionFailed execution_timeout']);
    expect(view(run.state).failure?.message).toContain('waits for');
  });

  test('is the same after a snapshot', () => {
    const run = answers(waiting(), 1);
    const copy = decodeSnapshot(run.state.config, JSON.parse(JSON.stringify(encodeSnapshot(run.state))) as never);
    expect(copy).toEqual(run.state);
  });
});

describe('an execution that others wait for', () => {
  const asks = (run: Scenario, waiterId: string, tenantId = 'default'): Scenario =>
    run.when({ type: 'AddWaiter', id: commandIds.waits(waiterId), waiterId, tenantId });

  test('notes each once, and tells its end to all, with its version', () => {
    const run = scenario(TWO).start();
    expect(asks(run, FIRST).last).toEqual(['WaiterAdded']);
    expect(asks(run, FIRST)).toMatchObject({ outcome: 'recorded', last: [] });
    asks(run, SECOND);
    run.ok('a').ok('b');
    const ended = { status: 'completed', at: run.now, version: run.state.version };
    const sends = [FIRST, SECOND].map((to) => ({ type: 'send', to, message: { ended } }));
    expect(run.effects.filter(({ type }) => type === 'send')).toEqual(sends);
    // It is sent again after a takeover, because it may have reached nobody.
    expect(run.wanted).toEqual(sends);
    expect(asks(run, '0198c0de-0000-7000-8000-000000000003')).toMatchObject({ outcome: 'recorded', last: [] });
  });

  test('tells them again when it was retried and has ended another time', () => {
    const run = asks(scenario(TWO).start(), FIRST).fails('a');
    run.when({ type: 'RetryExecution' }).ok('a').ok('b');
    expect(run.effects).toContainEqual({
      type: 'send',
      to: FIRST,
      message: { ended: { status: 'completed', at: run.now, version: run.state.version } },
    });
  });

  test('knows from its start who waits already', () => {
    const run = scenario(TWO)
      .start(undefined, { waiters: [FIRST] })
      .when({ type: 'CancelExecution' });
    expect(run.wanted).toMatchObject([{ type: 'send', to: FIRST, message: { ended: { status: 'cancelled' } } }]);
  });

  test('is not there for another tenant', () => {
    expect(asks(scenario(TWO).start(), FIRST, 'another')).toMatchObject({ outcome: 'unknown', last: [] });
  });

  test(`remembers a thousand, and lets the others ask again`, () => {
    const run = scenario(TWO).start();
    for (let count = 0; count < 1_000; count++) asks(run, `${EXECUTION}-${count}`);
    expect(asks(run, FIRST)).toMatchObject({ outcome: 'stale', last: [] });
    expect(asks(run, `${EXECUTION}-7`)).toMatchObject({ outcome: 'recorded', last: [] });
  });
});
