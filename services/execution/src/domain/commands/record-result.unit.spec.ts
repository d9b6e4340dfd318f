import { describe, expect, test } from '@jest/globals';
import type { JsonValue } from '@batuta/contracts';
import { config, event, failure, NOON, scenario } from '../../../test/engine/scenario.js';

const started = event('ExecutionStarted', {
  tenantId: 'default',
  traceId: 't',
  configId: 'c',
  configName: 'test',
  configVersion: 1,
  userId: 'alice',
  deadlineAt: NOON + 60_000,
});
const scheduled = (stepId: string, attempt: number) => event('StepScheduled', { stepId, attempt });
const patient = config('sequential', [
  { id: 'a', retry: { max_attempts: 3, backoff_ms: 1000, jitter: 'none', non_retryable: ['fatal'] } },
  { id: 'b' },
]);

describe('the result of an attempt', () => {
  test('given a running attempt, when it succeeds, then its output is recorded and the next step scheduled', () => {
    const run = scenario(patient).given(started, scheduled('a', 1)).ok('a', { n: 1 });
    expect(run.lastEvents).toEqual([
      event('StepCompleted', { stepId: 'a', attempt: 1, output: { n: 1 }, startedAt: NOON, finishedAt: NOON }),
      event('StepScheduled', { stepId: 'b', attempt: 1 }),
    ]);
    expect(run.outcome).toBe('recorded');
  });

  test('given a running attempt, when it fails, then the next one is due after the backoff', () => {
    const run = scenario(patient).given(started, scheduled('a', 1)).fails('a', failure('broken'));
    expect(run.lastEvents).toEqual([
      event('StepAttemptFailed', {
        stepId: 'a',
        attempt: 1,
        failure: failure('broken'),
        startedAt: NOON,
        finishedAt: NOON,
        retryAt: NOON + 1000,
      }),
    ]);
    run.wakes(1000);
    expect(run.last).toEqual(['StepScheduled a #2']);
    run.fails('a', failure('broken'));
    expect(run.last).toEqual(['StepAttemptFailed a #2 broken +3000']);
    run.wakes(2000).fails('a', failure('broken'));
    expect(run.last).toEqual([
      'StepAttemptFailed a #3 broken final',
      'StepFailed a broken abort',
      'ExecutionFailed a broken',
    ]);
  });

  test.each([
    ['is not retryable', failure('broken', false)],
    ['has a code that the policy names', failure('fatal', true)],
  ])('a failure that %s is final at once', (_, why) => {
    const run = scenario(patient).given(started, scheduled('a', 1)).fails('a', why);
    expect(run.last[0]).toBe(`StepAttemptFailed a #1 ${why.code} final`);
  });

  test('the same result again is recorded already and yields no event', () => {
    const run = scenario(patient).given(started, scheduled('a', 1)).ok('a').ok('a', { from: 'a' }, 1);
    expect([run.outcome, run.last]).toEqual(['recorded', []]);
    run.ok('b').ok('b', 1, 1);
    expect([run.status, run.outcome, run.last]).toEqual(['completed', 'recorded', []]);
  });

  test('another outcome of an attempt that has one changes nothing', () => {
    const run = scenario(patient).given(started, scheduled('a', 1)).fails('a', failure('broken')).ok('a', 1, 1);
    expect([run.outcome, run.last]).toEqual(['recorded', []]);
    expect(run.wakes(1000).last).toEqual(['StepScheduled a #2']);
  });

  test('an attempt that was never made is stale, a step that does not exist unknown', () => {
    const run = scenario(patient).given(started, scheduled('a', 1)).ok('a', 1, 2);
    expect([run.outcome, run.last]).toEqual(['stale', []]);
    expect(run.ok('b', 1, 1).outcome).toBe('stale');
    expect(run.ok('nowhere', 1, 1).outcome).toBe('unknown');
  });

  test('tokens and cost are taken out of the output and summed', () => {
    const run = scenario(patient).given(started, scheduled('a', 1)).ok('a', { text: 'x', _tokens: 120, _cost: 0.5 });
    expect(run.lastEvents[0]?.data).toMatchObject({ output: { text: 'x' }, tokenCount: 120, estimatedCost: 0.5 });
    run.ok('b', { _tokens: null, _cost: 0 });
    expect(run.lastEvents[0]?.data).toEqual({ stepId: 'b', attempt: 1, output: {}, startedAt: NOON, finishedAt: NOON });
    expect([run.state.tokenCount, run.state.cost]).toEqual([120, 0.5]);
  });

  test('tokens may be told apart as those of the input and of the output', () => {
    const run = scenario(patient)
      .given(started, scheduled('a', 1))
      .ok('a', { _tokens: { input: 100, output: 20.4 } });
    expect(run.lastEvents[0]?.data).toMatchObject({ tokenCount: 120, inputTokens: 100, outputTokens: 20 });
    run.ok('b', { _tokens: { input: 0, output: null, total: 9 } });
    expect(run.last[0]).toBe('StepCompleted b #1');
    expect(run.state.tokenCount).toBe(120);
  });

  test.each<[JsonValue, string]>([
    [{ _tokens: -1 }, '_tokens is -1'],
    [{ _tokens: 'many' }, '_tokens is "many"'],
    [{ _tokens: [1] }, '_tokens is [1]'],
    [{ _tokens: true }, '_tokens is true'],
    [{ _tokens: {} }, '_tokens is {}'],
    [{ _tokens: { prompt: 5 } }, '_tokens is {"prompt":5}'],
    [{ _tokens: { input: 3, output: 'many' } }, '_tokens.output is "many"'],
    [{ _tokens: { input: -1 } }, '_tokens.input is -1'],
    [{ _tokens: Number.NaN }, '_tokens is NaN'],
    [{ _cost: Number.POSITIVE_INFINITY }, '_cost is Infinity'],
    [{ _cost: '0.2' }, '_cost is "0.2"'],
    [{ _cost: -0.01 }, '_cost is -0.01'],
  ])('%j fails the attempt: it tells nothing that can be counted', (output, problem) => {
    const run = scenario(patient).given(started, scheduled('a', 1)).ok('a', output);
    expect(run.last).toEqual([expect.stringContaining('StepAttemptFailed a #1 output_invalid')]);
    const message = expect.stringContaining(`the output's ${problem}`);
    expect(run.lastEvents[0]?.data).toMatchObject({ failure: { message } });
  });

  test('what such an output tells rightly has been spent all the same', () => {
    const run = scenario(patient).given(started, scheduled('a', 1)).ok('a', { _tokens: 7, _cost: 'much' });
    expect(run.lastEvents[0]?.data).toMatchObject({ tokenCount: 7, failure: { code: 'output_invalid' } });
    expect(run.state.tokenCount).toBe(7);
  });

  test('an output over the limit fails the step', () => {
    const run = scenario(patient)
      .given(started, scheduled('a', 1))
      .ok('a', 'x'.repeat(1024 * 1024));
    expect(run.last[0]).toBe('StepAttemptFailed a #1 output_too_large final');
  });

  test('an assembled input over the limit fails the step before any attempt', () => {
    const steps = ['a', 'b', 'c', 'd', 'e'].map((id) => ({ id }));
    const join = { id: 'join', dependencies: ['a', 'b', 'c', 'd', 'e'] };
    const run = scenario(config('parallel', [...steps, join])).start();
    for (const { id } of steps) {
      run.ok(id, 'x'.repeat(900_000));
    }
    expect(run.last).toEqual([
      'StepCompleted e #1',
      'StepFailed join input_too_large abort',
      'ExecutionFailed join input_too_large',
    ]);
  });

  test('an attempt that can never be dispatched fails by the engine, and its late result is stale', () => {
    const run = scenario(patient).given(started, scheduled('a', 1));
    run.when({ type: 'FailAttempt', stepId: 'a', attempt: 1, failure: failure('too_large', false) });
    expect(run.last[0]).toBe('StepAttemptFailed a #1 too_large final');
    expect(run.ok('a', 1, 1).outcome).toBe('stale');
  });
});
