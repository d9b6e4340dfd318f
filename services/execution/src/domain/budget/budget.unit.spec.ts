import { describe, expect, test } from '@jest/globals';
import type { OrchestrationDefinition } from '@batuta/contracts';
import { isPlainResult, view } from '../view/view.js';
import { nextWake } from '../state/timers.js';
import { config, event, failure, scenario, type StepInit } from '../../../test/engine/scenario.js';

type Budget = NonNullable<NonNullable<OrchestrationDefinition['settings']>['budget']>;

const within = (
  budget: Budget,
  steps: readonly StepInit[],
  strategy: OrchestrationDefinition['strategy'] = 'parallel',
  rest: Partial<OrchestrationDefinition> = {},
): OrchestrationDefinition => config(strategy, steps, { settings: { budget }, ...rest });

const tokens = (count: number) => ({ text: 'x', _tokens: count });
const exceeded = (limit: number, spent: number, resource: 'tokens' | 'cost' = 'tokens') =>
  event('BudgetExceeded', { resource, limit, spent });

describe('a budget', () => {
  test('may be reached; what is more ends the execution before anything else starts', () => {
    const run = scenario(within({ max_tokens: 100 }, [{ id: 'a' }, { id: 'b' }, { id: 'c' }], 'sequential')).start();
    expect(run.ok('a', tokens(100)).last).toEqual(['StepCompleted a #1', 'StepScheduled b #1']);
    run.ok('b', tokens(1));
    expect(run.last).toEqual(['StepCompleted b #1', 'BudgetExceeded', 'ExecutionFailed budget_exceeded']);
    expect(run.lastEvents[1]).toEqual(exceeded(100, 101));
    expect(run.lastEvents[2]).toEqual(
      event('ExecutionFailed', {
        failure: {
          code: 'budget_exceeded',
          message: '101 tokens were spent, the budget (max_tokens) is 100',
          retryable: false,
          details: { resource: 'tokens', limit: 100, spent: 101 },
        },
      }),
    );
    expect(run.effects).toContainEqual({ type: 'lifecycle', event: 'BudgetExceeded' });
    expect(view(run.state)).toMatchObject({
      status: 'failed',
      budget: {
        maxTokens: 100,
        spentTokens: 101,
        spentCost: 0,
        exceeded: { resource: 'tokens', limit: 100, spent: 101 },
      },
      steps: [{ status: 'completed' }, { status: 'completed' }, { status: 'skipped', skipReason: 'not_reached' }],
    });
  });

  test('of cost is not exceeded by the rounding of sums', () => {
    const steps = ['a', 'b', 'c', 'd', 'e'].map((id) => ({ id }));
    const run = scenario(within({ max_cost: 0.3 }, steps, 'sequential')).start();
    run.ok('a', { _cost: 0.1 }).ok('b', { _cost: 0.1 }).ok('c', { _cost: 0.1 });
    expect(run.state.spentCost).toBeGreaterThan(0.3);
    expect(run.last).toEqual(['StepCompleted c #1', 'StepScheduled d #1']);
    expect(run.ok('d', { _cost: 0.001 }).last).toContain('BudgetExceeded');
    expect(view(run.state).failure?.message).toMatch(
      /^a cost of 0\.301\d* was spent, the budget \(max_cost\) is 0\.3$/,
    );
  });

  test('stops running attempts like any abort', () => {
    const run = scenario(within({ max_tokens: 10 }, [{ id: 'a' }, { id: 'b' }])).start();
    run.ok('a', tokens(11));
    expect(run.status).toBe('failed');
    expect(run.effects).toContainEqual({
      type: 'stopAttempts',
      attempts: [{ executionId: 'execution-1', reason: 'failed' }],
    });
    expect(run.ok('b').outcome).toBe('stale');
  });

  test('with every step done the execution completes all the same, and the event is there', () => {
    const run = scenario(within({ max_tokens: 10 }, [{ id: 'a' }])).start();
    expect(run.ok('a', tokens(11)).last).toEqual(['StepCompleted a #1', 'BudgetExceeded', 'ExecutionCompleted']);
    expect(view(run.state)).toMatchObject({ status: 'completed', output: { text: 'x' } });
    expect(isPlainResult(run.state)).toBe(false);
  });

  test('decides a group from the votes that are in, and completes when that was the last', () => {
    const definition = within(
      { max_tokens: 10 },
      ['a', 'b'].map((id) => ({ id, consensus_group: 'G' })),
      'consensus',
      { consensus_groups: [{ id: 'G', mode: 'unanimous', vote_key: 'text' }] },
    );
    const run = scenario(definition).start().ok('a', tokens(6));
    expect(run.ok('b', tokens(6)).last).toEqual([
      'StepCompleted b #1',
      'BudgetExceeded',
      'ConsensusReached G threshold a+b',
      'ExecutionCompleted',
    ]);
  });

  test('waits for a vote in the sandbox, which costs nothing, and needs no time for it', () => {
    const definition = within(
      { max_tokens: 10 },
      ['a', 'b'].map((id) => ({ id, consensus_group: 'G' })),
      'consensus',
      { consensus_groups: [{ id: 'G', mode: 'unanimous', vote_key: '$lowercase(text)' }] },
    );
    const run = scenario(definition).start().ok('a', tokens(6)).evaluated('vote:a', 'x');
    expect(run.ok('b', tokens(6)).last).toEqual(['StepCompleted b #1', 'BudgetExceeded', 'EvaluationRequested vote:b']);
    expect(nextWake(run.state)).toBe(run.state.deadlineAt);
    expect(run.evaluated('vote:b', 'x').last.at(-1)).toBe('ExecutionCompleted');
  });

  test('skips what a false condition skips for nothing, and ends before the first step that would run', () => {
    const steps = [
      { id: 'a' },
      { id: 'b', dependencies: ['a'], when: 'outputs.a.poor' },
      { id: 'c', dependencies: ['b'], require: 'all' as const },
    ];
    const run = scenario(within({ max_tokens: 10 }, steps)).start();
    expect(run.ok('a', tokens(11)).last).toEqual([
      'StepCompleted a #1',
      'BudgetExceeded',
      'StepSkipped b condition_false',
      'StepSkipped c dependency_skipped',
      'ExecutionCompleted',
    ]);
    const poor = scenario(within({ max_tokens: 10 }, steps))
      .start()
      .ok('a', { poor: true, _tokens: 11 });
    expect(poor.last).toEqual(['StepCompleted a #1', 'BudgetExceeded', 'ExecutionFailed budget_exceeded']);
  });

  test('waits for a condition in the sandbox; true, it ends the execution', () => {
    const steps = [{ id: 'a' }, { id: 'b', dependencies: ['a'], when: '$count(outputs.a.list) > 0' }];
    const run = scenario(within({ max_tokens: 10 }, steps))
      .start()
      .ok('a', tokens(11));
    expect(run.last).toEqual(['StepCompleted a #1', 'BudgetExceeded', 'EvaluationRequested when:b']);
    expect(run.evaluated('when:b', true).last).toEqual([
      'EvaluationRecorded when:b',
      'ExecutionFailed budget_exceeded',
    ]);
  });

  test('waits for no next attempt', () => {
    const retry = { max_attempts: 2, backoff_ms: 1000, jitter: 'none' as const };
    const run = scenario(within({ max_tokens: 10 }, [{ id: 'a', retry }])).start();
    run.fails('a', { ...failure('broken'), details: { _tokens: 11, line: 3 } });
    expect(run.last).toEqual([
      'StepAttemptFailed a #1 broken +1000',
      'BudgetExceeded',
      'ExecutionFailed budget_exceeded',
    ]);
    expect(run.lastEvents[0]?.data).toMatchObject({ tokenCount: 11, failure: { details: { line: 3 } } });
    expect(view(run.state)).toMatchObject({ tokenCount: 11, steps: [{ tokenCount: 11 }] });
  });

  test('counts failed attempts, also of an output that is too large', () => {
    const retry = { max_attempts: 3, backoff_ms: 0 };
    const run = scenario(within({ max_tokens: 100 }, [{ id: 'a', retry }, { id: 'b' }], 'sequential')).start();
    run.fails('a', { ...failure('broken'), details: { _tokens: { input: 30, output: 10 }, _cost: 0.5 } });
    expect(run.lastEvents[0]?.data).toEqual({
      stepId: 'a',
      attempt: 1,
      failure: failure('broken'),
      startedAt: run.now,
      finishedAt: run.now,
      retryAt: run.now,
      tokenCount: 40,
      inputTokens: 30,
      outputTokens: 10,
      estimatedCost: 0.5,
    });
    run.ok('a', { text: 'x'.repeat(1024 * 1024), _tokens: 40 });
    expect(run.lastEvents[0]).toMatchObject({ type: 'StepAttemptFailed', data: { tokenCount: 40 } });
    expect([run.state.spentTokens, run.state.tokenCount, run.state.cost]).toEqual([80, 80, 0.5]);
  });

  test('is rescued neither by an alternative nor by on_failure: continue', () => {
    const spent = { ...failure('broken', false), details: { _tokens: 11 } };
    const fallback = [
      { id: 'a', on_failure: 'fallback' as const },
      { id: 'b', is_fallback: true, fallback_for: 'a' },
    ];
    const run = scenario(within({ max_tokens: 10 }, fallback))
      .start()
      .fails('a', spent);
    expect(run.last).toEqual([
      'StepAttemptFailed a #1 broken final',
      'StepFailed a broken fallback b',
      'BudgetExceeded',
      'ExecutionFailed budget_exceeded',
    ]);
    const goesOn = [
      { id: 'a', on_failure: 'continue' as const },
      { id: 'b', dependencies: ['a'] },
    ];
    const other = scenario(within({ max_tokens: 10 }, goesOn))
      .start()
      .fails('a', spent);
    expect(other.last.slice(-2)).toEqual(['BudgetExceeded', 'ExecutionFailed budget_exceeded']);
  });

  test('leaves the failure that ends the execution what it is', () => {
    const run = scenario(within({ max_tokens: 10 }, [{ id: 'a' }])).start();
    run.fails('a', { ...failure('broken', false), details: { _tokens: 11 } });
    expect(run.last.slice(-2)).toEqual(['BudgetExceeded', 'ExecutionFailed a broken']);
  });

  test('takes effect at the resume of a paused execution, and not at all when that is cancelled', () => {
    const steps = [{ id: 'a' }, { id: 'b', dependencies: ['a'] }];
    const paused = () =>
      scenario(within({ max_tokens: 10 }, steps))
        .start()
        .when({ type: 'PauseExecution' })
        .ok('a', tokens(11));
    const run = paused();
    expect(run.last).toEqual(['StepCompleted a #1']);
    run.when({ type: 'ResumeExecution' });
    expect(run.last).toEqual(['ExecutionResumed', 'BudgetExceeded', 'ExecutionFailed budget_exceeded']);
    expect(paused().when({ type: 'CancelExecution' }).last).toEqual(['ExecutionCancelled']);
  });

  test('begins anew with a retry', () => {
    const steps = [{ id: 'a' }, { id: 'b' }, { id: 'c' }];
    const run = scenario(within({ max_tokens: 10 }, steps, 'sequential'))
      .start()
      .ok('a', tokens(11));
    run.when({ type: 'RetryExecution' });
    expect(run.last).toEqual(['ExecutionRetried', 'StepScheduled b #1']);
    expect(view(run.state)).toMatchObject({ tokenCount: 11, budget: { spentTokens: 0 } });
    expect(view(run.state).budget?.exceeded).toBeUndefined();
    expect(run.ok('b', tokens(10)).last).toEqual(['StepCompleted b #1', 'StepScheduled c #1']);
    expect(run.ok('c', tokens(1)).last).toEqual(['StepCompleted c #1', 'BudgetExceeded', 'ExecutionCompleted']);
    expect(run.lastEvents[1]).toEqual(exceeded(10, 11));
    expect(run.state.tokenCount).toBe(22);
  });

  test('undoes what can be undone, whatever the undoing costs', () => {
    const steps = [{ id: 'a', compensate: { agent: 'echo' } }, { id: 'b' }];
    const run = scenario(within({ max_tokens: 10 }, steps, 'sequential'))
      .start()
      .ok('a', tokens(11));
    expect(run.last).toEqual([
      'StepCompleted a #1',
      'BudgetExceeded',
      'CompensationStarted',
      'StepScheduled a:compensate #1',
    ]);
    run.ok('a:compensate', tokens(50));
    expect(run.last).toEqual(['StepCompleted a:compensate #1', 'ExecutionFailed budget_exceeded']);
    const cancelled = scenario(within({ max_tokens: 10 }, steps, 'sequential'))
      .start()
      .ok('a', tokens(10));
    cancelled.when({ type: 'CancelExecution', compensate: true }).ok('b', tokens(5));
    expect(cancelled.ok('a:compensate', tokens(50)).last).toEqual([
      'StepCompleted a:compensate #1',
      'ExecutionCancelled',
    ]);
  });

  test('leaves an undoing its retries', () => {
    const compensate = { agent: 'echo', retry: { max_attempts: 2, backoff_ms: 1000, jitter: 'none' } };
    const run = scenario(within({ max_tokens: 10 }, [{ id: 'a', compensate }, { id: 'b' }], 'sequential')).start();
    run.ok('a', tokens(11)).fails('a:compensate', failure('broken'));
    expect(nextWake(run.state)).toBe(run.now + 1000);
    expect(run.wakes(1000).last).toEqual(['StepScheduled a:compensate #2']);
  });

  test('of a start counts where it is the smaller one, for each resource', () => {
    const steps = [{ id: 'a' }, { id: 'b', dependencies: ['a'] }];
    const definition = within({ max_tokens: 100, max_cost: 1 }, steps);
    const run = scenario(definition).start({}, { budget: { maxTokens: 10, maxCost: 5 } });
    expect(run.lastEvents[0]?.data).toMatchObject({ budget: { maxTokens: 10, maxCost: 5 } });
    expect(view(run.state).budget).toMatchObject({ maxTokens: 10, maxCost: 1 });
    expect(run.ok('a', tokens(11)).lastEvents[1]).toEqual(exceeded(10, 11));
    const plain = scenario(config('parallel', steps)).start({}, { budget: { maxCost: 0.5 } });
    expect(plain.ok('a', { _cost: 0.6, _tokens: 1000 }).lastEvents[1]).toEqual(exceeded(0.5, 0.6, 'cost'));
  });

  test('is spent by nothing that a fork takes over', () => {
    const steps = [{ id: 'a' }, { id: 'b', dependencies: ['a'] }];
    const run = scenario(within({ max_tokens: 10 }, steps)).when({
      type: 'StartExecution',
      executionId: 'execution-1',
      principal: { tenantId: 'default', userId: 'alice', role: 'operator', keyId: 'k' },
      start: { configId: 'c', configVersion: 1, traceId: 't', fork: { executionId: 'e', fromStepId: 'b' } },
      reused: [{ stepId: 'a', output: { text: 'x' } }],
    });
    expect(run.ok('b', tokens(10)).last).toEqual(['StepCompleted b #1', 'ExecutionCompleted']);
  });

  test('is nothing where there is none', () => {
    const run = scenario(config('parallel', [{ id: 'a' }]))
      .start()
      .ok('a', tokens(1_000_000));
    expect(run.last).toEqual(['StepCompleted a #1', 'ExecutionCompleted']);
    expect(view(run.state).budget).toBeUndefined();
  });
});
