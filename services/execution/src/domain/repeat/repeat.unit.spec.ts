import { describe, expect, test } from '@jest/globals';
import { commandIds } from '../commands/command.js';
import { decodeSnapshot, encodeSnapshot } from '../state/snapshot.js';
import { taskOf } from '../task.js';
import { view } from '../view/view.js';
import { EXECUTION, NOON, config, failure, scenario, type Scenario } from '../../../test/engine/scenario.js';
import { uuidV5, type JsonValue, type Repeat, type StepDefinition } from '@batuta/contracts';

const poll = (repeat: Repeat, more: Partial<StepDefinition> = {}): Scenario =>
  scenario(config('sequential', [{ id: 'poll', repeat, ...more }, { id: 'after' }])).start({ n: 1 });
const viewOf = (run: Scenario) => view(run.state).steps[0];
const inputOf = (run: Scenario): JsonValue =>
  taskOf(run.state, 'poll', { partition: 0, dispatch: 1, checkFirst: false })?.input ?? null;
const keyOf = (run: Scenario) =>
  taskOf(run.state, 'poll', { partition: 0, dispatch: 1, checkFirst: false })?.idempotencyKey;

describe('a step with a repeat', () => {
  test('runs until its expression is true, and gives the last result', () => {
    const run = poll({ until: 'result.done' });
    run.ok('poll', { done: false, page: 1 });
    expect(run.last).toEqual(['IterationCompleted poll', 'IterationPlanned poll', 'StepScheduled poll #2']);
    expect(viewOf(run)).toMatchObject({ status: 'running', retryCount: 0, repeat: { iterations: 1 } });
    run.ok('poll', { done: true, page: 2 });
    expect(run.last).toEqual(['IterationCompleted poll', 'StepCompleted poll #0', 'StepScheduled after #1']);
    expect(viewOf(run)).toMatchObject({
      status: 'completed',
      attempt: 2,
      retryCount: 0,
      output: { done: true, page: 2 },
      repeat: {
        iterations: 2,
        maxIterations: 100,
        results: [
          { done: false, page: 1 },
          { done: true, page: 2 },
        ],
      },
    });
  });

  test('asks the sandbox for what is more than a path, with what it may refer to', () => {
    const run = poll({ until: 'iteration >= 2 and $count(results) = 2' }).ok('poll', 7);
    expect(run.last).toEqual(['IterationCompleted poll', 'EvaluationRequested until:poll']);
    expect(run.effects).toMatchObject([{ key: 'until:poll', context: { iteration: 1, results: [7] } }]);
    expect(run.wanted).toEqual(run.effects);
    run.evaluated('until:poll', false);
    expect(run.last).toEqual(['EvaluationRecorded until:poll', 'IterationPlanned poll', 'StepScheduled poll #2']);
    expect(run.evaluated('until:poll', true).outcome).toBe('stale');
    run.ok('poll', 8).evaluated('until:poll', true);
    expect(run.last.slice(1)).toEqual(['StepCompleted poll #0', 'StepScheduled after #1']);
  });

  test('fails when the expression does', () => {
    const run = poll({ until: '$error("no")' }).ok('poll').evaluationFails('until:poll');
    expect(run.last).toContain('StepFailed poll expression_failed abort');
  });

  test('gives each iteration an input of its own, and a key of its own', () => {
    const run = poll({ until: 'result.done' }, { input: { i: '{% iteration %}', last: '{% result.page %}' } });
    expect([inputOf(run), keyOf(run)]).toEqual([{ i: 1, last: null }, `${EXECUTION}/poll/1`]);
    run.ok('poll', { page: 'p1' });
    expect([inputOf(run), keyOf(run)]).toEqual([{ i: 2, last: 'p1' }, `${EXECUTION}/poll/2`]);
  });

  test('evaluates the mapping anew for each iteration', () => {
    const run = poll({ until: 'result.done' }, { input: { i: '{% iteration * 10 %}' } });
    run.evaluated('input:poll', 10).ok('poll', { page: 1 });
    expect(run.last).toEqual(['IterationCompleted poll', 'IterationPlanned poll', 'EvaluationRequested input:poll']);
    run.evaluated('input:poll', 20);
    expect(inputOf(run)).toEqual({ i: 20 });
  });

  test('waits between iterations without a slot, and begins when the time has come', () => {
    const run = poll({ until: 'result.done', delay_ms: 5_000 }).ok('poll', {});
    expect(run.last).toEqual(['IterationCompleted poll', 'IterationPlanned poll']);
    expect(viewOf(run)).toMatchObject({ status: 'running', repeat: { nextAt: NOON + 5_000 } });
    expect(run.state.slots).toBe(0);
    expect(run.wakes(4_999).last).toEqual([]);
    expect(run.wakes(1).last).toEqual(['StepScheduled poll #2']);
  });

  test('fails beyond max_iterations, or completes with the last result', () => {
    const run = poll({ until: 'result.done', max_iterations: 2 }).ok('poll', {}).ok('poll', {});
    expect(run.last.slice(1, 2)).toEqual(['StepFailed poll max_iterations_reached abort']);
    expect(view(run.state).failure?.summary).toBe(
      'Step "poll" did not come to an end (max_iterations_reached): until was not true after 2 iterations (max_iterations)',
    );
    const goesOn = poll({ until: 'result.done', max_iterations: 2, on_max: 'complete' })
      .ok('poll', {})
      .ok('poll', { v: 2 });
    expect(goesOn.last.slice(1)).toEqual(['StepCompleted poll #0', 'StepScheduled after #1']);
    expect(viewOf(goesOn)?.output).toEqual({ v: 2 });
  });

  test('tries an iteration again by its retry policy, which each iteration has anew', () => {
    const run = poll({ until: 'result.done' }, { retry: { max_attempts: 2, total_timeout_ms: 1_000 } });
    run.fails('poll', failure('busy'));
    expect(run.last).toEqual(['StepAttemptFailed poll #1 busy +0', 'StepScheduled poll #2']);
    run.now += 10_000;
    run.ok('poll', {}).fails('poll', failure('busy'));
    expect(run.last).toEqual(['StepAttemptFailed poll #3 busy +10000', 'StepScheduled poll #4']);
    expect(viewOf(run)).toMatchObject({ retryCount: 2, repeat: { iterations: 1 } });
    expect(run.fails('poll', failure('busy')).last[1]).toBe('StepFailed poll busy abort');
  });

  test('is skipped, paused and timed out between iterations', () => {
    const between = (more: Partial<StepDefinition> = {}): Scenario =>
      poll({ until: 'result.done', delay_ms: 5_000 }, more).ok('poll', {});
    expect(between().when({ type: 'SkipStep', stepId: 'poll' }).last).toEqual([
      'StepSkipped poll requested',
      'StepScheduled after #1',
    ]);
    const paused = between().when({ type: 'PauseExecution' }).wakes(6_000);
    expect(paused.last).toEqual([]);
    expect(paused.when({ type: 'ResumeExecution' }).last).toEqual(['ExecutionResumed', 'StepScheduled poll #2']);
    const late = between({ schedule_to_close_ms: 3_000 }).wakes(3_000);
    expect(late.last[0]).toBe('StepFailed poll schedule_to_close_timeout abort');
    const asking = poll({ until: 'iteration > 1' }, { schedule_to_close_ms: 3_000 }).ok('poll', {}).wakes(3_000);
    expect(asking.last[0]).toBe('StepFailed poll schedule_to_close_timeout abort');
  });

  test('takes a result in a pause, and goes on at the resume', () => {
    const run = poll({ until: 'result.done' }).when({ type: 'PauseExecution' }).ok('poll', {});
    expect(run.last).toEqual(['IterationCompleted poll']);
    expect(run.when({ type: 'ResumeExecution' }).last.slice(1)).toEqual([
      'IterationPlanned poll',
      'StepScheduled poll #2',
    ]);
  });

  test('goes on after the iterations that are done when the execution is retried, with as many more', () => {
    const run = poll({ until: 'result.done', max_iterations: 2 }).ok('poll', { a: 1 }).ok('poll', { a: 2 });
    expect(run.status).toBe('failed');
    run.when({ type: 'RetryExecution' }).ok('poll', { a: 3 });
    expect(run.last[1]).toBe('IterationPlanned poll');
    expect(viewOf(run)?.repeat?.results).toEqual([{ a: 1 }, { a: 2 }, { a: 3 }]);
    expect(run.ok('poll', { a: 4 }).last[1]).toBe('StepFailed poll max_iterations_reached abort');
  });

  test('keeps the latest results only, as many as its bounds allow', () => {
    const run = poll({ until: 'result.done', max_iterations: 1_000 });
    for (let n = 1; n <= 150; n++) run.ok('poll', { n });
    expect(viewOf(run)?.repeat?.results).toHaveLength(100);
    expect(viewOf(run)?.repeat?.results?.at(0)).toEqual({ n: 51 });
    const large = poll({ until: 'result.done' });
    for (let n = 1; n <= 5; n++) large.ok('poll', { text: 'x'.repeat(100_000) });
    expect(viewOf(large)?.repeat?.results).toHaveLength(2);
  });

  test('ends when the budget is exceeded, unless it is done', () => {
    const spent = (until: string): Scenario =>
      scenario(config('sequential', [{ id: 'poll', repeat: { until } }], { settings: { budget: { max_tokens: 10 } } }))
        .start({})
        .ok('poll', { done: true, _tokens: 20 });
    expect(spent('result.done').last).toContain('StepCompleted poll #0');
    expect(spent('result.missing').last.at(-1)).toBe('ExecutionFailed budget_exceeded');
  });

  test('survives a snapshot', () => {
    const run = poll({ until: 'result.done', delay_ms: 50 }).ok('poll', { v: 1 });
    const decoded = decodeSnapshot(run.state.config, JSON.parse(JSON.stringify(encodeSnapshot(run.state))) as never);
    expect(decoded).toEqual(run.state);
  });

  test('has a child of its own for each iteration', () => {
    const definition = config('sequential', [
      { id: 'team', orchestration: { config: 'draft' }, repeat: { until: 'result.good' } },
    ]);
    const child = (number: number): string => uuidV5(EXECUTION, `team/${number}`);
    const run = scenario(definition).start({});
    const ends = (number: number, output: JsonValue): Scenario =>
      run
        .when({
          type: 'RecordChildAnswer',
          id: commandIds.startAnswered(child(number)),
          childId: child(number),
          outcome: 'started',
          facts: { configId: 'c', configName: 'draft', configVersion: 1, version: 1 },
        })
        .when({
          type: 'RecordChildEnd',
          id: commandIds.ended(child(number)),
          childId: child(number),
          end: { status: 'completed', at: run.now, version: 7, output, tokenCount: 5 },
        });
    ends(1, { good: false });
    expect(run.last).toEqual([
      'ChildEnded team',
      'IterationCompleted team',
      'IterationPlanned team',
      'ChildRequested team',
    ]);
    expect(run.lastEvents.at(-1)?.data).toMatchObject({ childId: child(2), number: 2 });
    ends(2, { good: true });
    expect(run.last.slice(0, 3)).toEqual(['ChildEnded team', 'IterationCompleted team', 'StepCompleted team #0']);
    expect(view(run.state)).toMatchObject({ status: 'completed', output: { good: true }, tokenCount: 10 });
  });
});
