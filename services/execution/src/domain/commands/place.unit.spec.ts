import { describe, expect, test } from '@jest/globals';
import { LONGEST_DEPENDENCY_WAIT_MS, limiterIdOf } from '@batuta/contracts';
import type { Concurrency } from '@batuta/contracts';
import { commandIds } from './command.js';
import type { RecordPlace } from './command.js';
import { decodeSnapshot, encodeSnapshot } from '../state/snapshot.js';
import { nextWake } from '../state/timers.js';
import { view } from '../view/view.js';
import { NOON, config, scenario, type Scenario } from '../../../test/engine/scenario.js';

const FIRST = '0198c0de-0000-7000-8000-000000000001';

function limited(concurrency: Partial<Concurrency> = {}): ReturnType<typeof config> {
  const definition = config('sequential', [{ id: 'a' }]);
  return { ...definition, settings: { concurrency: { limit: 2, ...concurrency } } };
}

function waiting(concurrency: Partial<Concurrency> = {}, input = {}, more: Record<string, unknown> = {}): Scenario {
  return scenario(limited(concurrency)).start(input, more);
}

const LIMITER = limiterIdOf('default', 'config-1', '');

type Said = Pick<RecordPlace, 'what'> & Partial<RecordPlace>;

function says(run: Scenario, said: Said, order = 2, limiterId = LIMITER): Scenario {
  return run.when({ id: commandIds.place(limiterId, order), ...said, type: 'RecordPlace', limiterId, order });
}

describe('an execution whose config limits how many run', () => {
  test('asks for a place, and begins when it has one', () => {
    const run = waiting();
    expect(run.status).toBe('pending');
    expect(run.last).toEqual(['ExecutionStarted', 'PlaceRequested ']);
    expect(run.effects).toContainEqual({ type: 'askPlace', limiterId: LIMITER, order: 2 });
    expect(run.wanted).toEqual([{ type: 'askPlace', limiterId: LIMITER, order: 2 }]);
    expect(run.state.deadlineAt).toBe(NOON + LONGEST_DEPENDENCY_WAIT_MS);
    expect(nextWake(run.state)).toBe(run.state.deadlineAt);
    run.now += 5_000;
    says(run, { what: 'granted' });
    expect(run.last).toEqual(['PlaceTaken', 'StepScheduled a #1']);
    expect(view(run.state)).toMatchObject({
      status: 'running',
      startedAt: NOON + 5_000,
      concurrency: { limiterId: LIMITER, key: '', limit: 2, state: 'held', since: NOON + 5_000 },
    });
    expect(view(run.state)).not.toHaveProperty('pendingReason');
    expect(run.state.deadlineAt).toBe(NOON + 5_000 + run.state.config.timeoutMs);
    // The limiter asks whether the place is still needed.
    says(run, { what: 'granted' });
    expect(run.last).toEqual([]);
    expect(run.outcome).toBe('recorded');
    run.ok('a');
    const release = { release: { tenantId: 'default', order: 2 } };
    expect(run.effects).toContainEqual({ type: 'send', to: LIMITER, message: release });
    expect(run.wanted).toContainEqual({ type: 'send', to: LIMITER, message: release });
    says(run, { what: 'granted' });
    expect(run.outcome).toBe('stale');
  });

  test('says how many are before it', () => {
    const run = says(waiting(), { what: 'queued', position: 4, held: 2, limit: 2 });
    expect(run.last).toEqual(['PlaceAwaited']);
    expect(run.wanted).toEqual([]);
    expect(view(run.state)).toMatchObject({
      status: 'pending',
      concurrency: { state: 'waiting', position: 4, held: 2 },
      pendingReason: 'waits for one of 2 concurrent executions; joined the queue as number 4',
    });
    const again = decodeSnapshot(run.state.config, JSON.parse(JSON.stringify(encodeSnapshot(run.state))) as never);
    expect(again).toEqual(run.state);
  });

  test.each([
    ['a text', 'nightly', {}, 'nightly'],
    ['a path', '{% input.customer %}', { customer: 'c-1' }, 'c-1'],
    ['a number', '{% input.customer %}', { customer: 17 }, '17'],
  ])('takes %s as its key', (_name, key, input, value) => {
    const run = waiting({ key }, input);
    expect(view(run.state)).toMatchObject({
      concurrency: { key: value, limiterId: limiterIdOf('default', 'config-1', value) },
    });
  });

  test('has the sandbox evaluate a key that is more than a path', () => {
    const key = '{% input.region & "/" & session_id %}';
    const run = waiting({ key }, { region: 'eu' }, { sessionId: 's-1' });
    expect(run.last).toEqual(['ExecutionStarted', 'EvaluationRequested concurrency:']);
    expect(run.status).toBe('pending');
    expect(run.wanted).toEqual([
      expect.objectContaining({ type: 'evaluate', context: { input: { region: 'eu' }, session_id: 's-1' } }),
    ]);
    run.evaluated('concurrency:', 'eu/s-1');
    expect(run.last).toEqual(['EvaluationRecorded concurrency:', 'PlaceRequested eu/s-1']);
    expect(view(run.state)).toMatchObject({ concurrency: { key: 'eu/s-1' } });
  });

  test.each([
    ['nothing', {}],
    ['a list', { customer: [1] }],
    ['a long text', { customer: 'x'.repeat(300) }],
  ])('fails when its key is %s', (_name, input) => {
    const run = waiting({ key: '{% input.customer %}' }, input);
    expect(run.status).toBe('failed');
    expect(run.state.failure).toMatchObject({ code: 'concurrency_key_invalid', retryable: false });
  });

  test('fails when its key cannot be evaluated', () => {
    const run = waiting({ key: '{% $error("no") %}' }).evaluationFails('concurrency:');
    expect(run.status).toBe('failed');
  });

  test('fails, or is cancelled, when no place is free, as its config says', () => {
    const rejected = says(waiting({ on_limit: 'reject' }), { what: 'refused' });
    expect(rejected.status).toBe('failed');
    expect(rejected.state.failure).toMatchObject({
      code: 'concurrency_limit',
      message: 'all are taken of 2 concurrent executions',
    });
    const cancelled = says(waiting({ on_limit: 'cancel_newest', key: 'k', limit: 1 }), { what: 'refused' }, 2, KEYED);
    expect(cancelled.status).toBe('cancelled');
    expect(view(cancelled.state).cancelReason).toBe('the place is taken of 1 concurrent execution with key "k"');
    const full = says(waiting(), { what: 'refused', full: true });
    expect(full.state.failure).toMatchObject({ message: 'the queue of 2 concurrent executions is full' });
  });

  test('is cancelled when a newer one takes its place, before and after it began', () => {
    for (const begun of [false, true]) {
      const run = waiting({ on_limit: 'cancel_oldest' });
      if (begun) says(run, { what: 'granted' });
      says(run, { what: 'evicted', by: FIRST });
      expect(run.status).toBe('cancelled');
      expect(view(run.state).cancelReason).toContain(`execution ${FIRST} took its place`);
      says(run, { what: 'evicted', by: FIRST });
      expect(run.outcome).toBe('stale');
    }
  });

  test('ignores what another limiter says, or what concerns an earlier run', () => {
    const run = waiting();
    expect(says(run, { what: 'granted' }, 2, FIRST).outcome).toBe('stale');
    expect(says(run, { what: 'granted' }, 1).outcome).toBe('stale');
    expect(run.status).toBe('pending');
  });

  test('asks anew for each run', () => {
    const run = says(waiting(), { what: 'granted' }).fails('a');
    expect(run.status).toBe('failed');
    run.when({ type: 'RetryExecution' });
    expect(run.last).toEqual(['ExecutionRetried', 'PlaceRequested ']);
    expect(run.status).toBe('pending');
    const { version } = run.state;
    expect(says(run, { what: 'granted' }).outcome).toBe('stale');
    says(run, { what: 'granted' }, version);
    expect(run.last).toEqual(['PlaceTaken', 'StepScheduled a #2']);
  });

  test('asks only when its time has come, and keeps its turn during a pause', () => {
    const run = waiting({}, {}, { startAt: NOON + 60_000 });
    expect(run.last).toEqual(['ExecutionStarted']);
    run.now = NOON + 60_000;
    run.wakes();
    expect(run.last).toEqual(['PlaceRequested ']);
    run.when({ type: 'PauseExecution' });
    says(run, { what: 'granted' });
    expect(run.last).toEqual(['PlaceTaken']);
    expect(run.status).toBe('paused');
    run.when({ type: 'ResumeExecution' });
    expect(run.last).toEqual(['ExecutionResumed', 'StepScheduled a #1']);
  });

  test('resumes as pending while it has no place', () => {
    const run = waiting().when({ type: 'PauseExecution' }).when({ type: 'ResumeExecution' });
    expect(run.status).toBe('pending');
    says(run, { what: 'granted' });
    expect(run.status).toBe('running');
  });

  test('gives its turn back when it is cancelled', () => {
    const run = waiting().when({ type: 'CancelExecution' });
    expect(run.effects).toContainEqual(expect.objectContaining({ type: 'send', to: LIMITER }));
  });

  test('ends when no place is free in time', () => {
    const run = says(waiting(), { what: 'queued', position: 1, held: 2, limit: 2 });
    run.wakes(LONGEST_DEPENDENCY_WAIT_MS + 1);
    expect(run.status).toBe('failed');
    expect(run.state.failure).toMatchObject({ message: 'no place was free in time' });
  });
});

const KEYED = limiterIdOf('default', 'config-1', 'k');
