import { describe, expect, test } from '@jest/globals';
import type { JsonValue } from '@batuta/contracts';
import { forkFrom } from '../../fork.js';
import { view } from '../../view/view.js';
import { NOON, config, scenario, type Scenario } from '../../../../test/engine/scenario.js';

const stepOf = (run: Scenario, id: string) => view(run.state).steps.find(({ stepId }) => stepId === id);
const statuses = (run: Scenario): Record<string, string> =>
  Object.fromEntries(view(run.state).steps.map(({ stepId, status, skipReason }) => [stepId, skipReason ?? status]));

function claims(more: { mode?: 'first' | 'all'; otherwise?: string[] } = {}) {
  return config('parallel', [
    {
      id: 'route',
      choice: {
        branches: [
          { when: 'input.large', steps: ['expert'] },
          { when: 'input.urgent', steps: ['phone', 'expert'] },
        ],
        default: more.otherwise ?? ['mail'],
        ...(more.mode === undefined ? {} : { mode: more.mode }),
      },
    },
    { id: 'expert', dependencies: ['route'] },
    { id: 'phone', dependencies: ['route'] },
    { id: 'mail', dependencies: ['route'] },
    { id: 'close', dependencies: ['expert', 'phone', 'mail'] },
  ]);
}

describe('a choice', () => {
  test('takes the first branch whose condition is true, and what it does not choose is skipped', () => {
    const run = scenario(claims()).start({ large: true, urgent: true });
    expect(run.last.slice(1)).toEqual([
      'ChoiceMade route',
      'StepCompleted route #0',
      'StepScheduled expert #1',
      'StepSkipped phone not_chosen',
      'StepSkipped mail not_chosen',
    ]);
    expect(run.lastEvents[1]?.data).toEqual({ stepId: 'route', branches: [0], steps: ['expert'] });
    expect(stepOf(run, 'route')).toMatchObject({ status: 'completed', output: { branches: [0], steps: ['expert'] } });
    expect(run.ok('expert').last.at(-1)).toBe('StepScheduled close #1');
  });

  test('with mode all takes every branch whose condition is true, each step once', () => {
    const run = scenario(claims({ mode: 'all' })).start({ large: 1, urgent: 'yes' });
    expect(stepOf(run, 'route')?.output).toEqual({ branches: [0, 1], steps: ['expert', 'phone'] });
    expect(statuses(run)).toMatchObject({ expert: 'running', phone: 'running', mail: 'not_chosen' });
  });

  test.each<[JsonValue]>([[{}], [{ large: false, urgent: null }], [{ large: 0, urgent: [] }]])(
    'takes the default when no condition is true: %j',
    (input) => {
      const run = scenario(claims()).start(input);
      expect(stepOf(run, 'route')?.output).toEqual({ branches: [], steps: ['mail'] });
      expect(statuses(run)).toMatchObject({ expert: 'not_chosen', phone: 'not_chosen', mail: 'running' });
    },
  );

  test('with an empty default chooses nothing, and a step that no branch names runs anyway', () => {
    const run = scenario(claims({ otherwise: [] })).start({});
    expect(statuses(run)).toMatchObject({ expert: 'not_chosen', phone: 'not_chosen', mail: 'running' });
  });

  test('asks the sandbox once for all conditions that are no path, and decides by what is recorded', () => {
    const definition = config('parallel', [
      {
        id: 'route',
        choice: {
          branches: [
            { when: 'input.n > 5', steps: ['a'] },
            { when: '{% input.b %}', steps: ['b'] },
            { when: 'input.n > 1', steps: ['b'] },
          ],
          default: [],
        },
      },
      { id: 'a', dependencies: ['route'] },
      { id: 'b', dependencies: ['route'] },
    ]);
    const run = scenario(definition).start({ n: 3 });
    expect(run.last.at(-1)).toBe('EvaluationRequested input:route');
    expect(run.effects).toContainEqual(expect.objectContaining({ expressions: ['input.n > 5', 'input.n > 1'] }));
    run.evaluated('input:route', false, true);
    expect(run.last).toEqual([
      'EvaluationRecorded input:route',
      'ChoiceMade route',
      'StepCompleted route #0',
      'StepSkipped a not_chosen',
      'StepScheduled b #1',
    ]);
  });

  test('fails when a condition cannot be evaluated', () => {
    const definition = config('parallel', [
      { id: 'route', choice: { branches: [{ when: '$error("no")', steps: ['a'] }], default: [] } },
      { id: 'a', dependencies: ['route'] },
    ]);
    const run = scenario(definition).start({}).evaluationFails('input:route');
    expect(run.last).toContain('StepFailed route expression_failed abort');
  });

  test('that failed or was skipped has chosen nothing', () => {
    const failing = config('parallel', [
      {
        id: 'route',
        on_failure: 'continue',
        choice: { branches: [{ when: '$error("no")', steps: ['a'] }], default: ['b'] },
      },
      { id: 'a', dependencies: ['route'] },
      { id: 'b', dependencies: ['route'] },
    ]);
    expect(statuses(scenario(failing).start({}).evaluationFails('input:route'))).toMatchObject({
      a: 'not_chosen',
      b: 'not_chosen',
    });
    const passed = config('parallel', [
      { id: 'route', when: 'input.go', choice: { branches: [{ when: 'input.a', steps: ['a'] }], default: ['b'] } },
      { id: 'a', dependencies: ['route'] },
      { id: 'b', dependencies: ['route'] },
    ]);
    expect(statuses(scenario(passed).start({ a: true }))).toMatchObject({ route: 'condition_false', a: 'not_chosen' });
  });

  test('may be made by what stands in for it', () => {
    const definition = config('parallel', [
      {
        id: 'route',
        on_failure: 'fallback',
        choice: { branches: [{ when: '$error("no")', steps: ['a'] }], default: [] },
      },
      { id: 'ask', fallback_for: 'route' },
      { id: 'a', dependencies: ['route'] },
      { id: 'b', dependencies: ['route'] },
    ]);
    const run = scenario({
      ...definition,
      steps: definition.steps.map((step) =>
        step.id === 'route' && step.choice !== undefined
          ? { ...step, choice: { ...step.choice, default: ['b'] } }
          : step,
      ),
    });
    run
      .start({})
      .evaluationFails('input:route')
      .ok('ask', { steps: ['a'] });
    expect(statuses(run)).toMatchObject({ a: 'running', b: 'not_chosen' });
  });

  test('begins an execution whose time has come', () => {
    const run = scenario(claims()).start({ large: true }, { startAt: NOON + 60_000 });
    expect(run.status).toBe('pending');
    run.wakes(60_000);
    expect(run.status).toBe('running');
  });

  test('takes no slot, and makes its turn where one step runs at a time', () => {
    const definition = config('sequential', [
      { id: 'route', choice: { branches: [{ when: 'input.a', steps: ['a'] }], default: ['b'] } },
      { id: 'a', dependencies: ['route'] },
      { id: 'b', dependencies: ['route'] },
      { id: 'end' },
    ]);
    const run = scenario(definition).start({ a: true });
    expect(run.last.slice(1)).toEqual(['ChoiceMade route', 'StepCompleted route #0', 'StepScheduled a #1']);
    expect(run.ok('a').last.slice(1)).toEqual(['StepSkipped b not_chosen', 'StepScheduled end #1']);
  });
});

describe('what was chosen', () => {
  test('holds in a retry, without asking again', () => {
    const run = scenario(claims()).start({ large: true }).fails('expert');
    run.when({ type: 'RetryExecution' });
    expect(run.last).not.toContain('ChoiceMade route');
    expect(statuses(run)).toMatchObject({ expert: 'running', phone: 'not_chosen', mail: 'not_chosen' });
  });

  test('is made nowhere in a pause', () => {
    const definition = config('parallel', [
      { id: 'first' },
      { id: 'route', dependencies: ['first'], choice: { branches: [{ when: 'input.a', steps: ['a'] }], default: [] } },
      { id: 'a', dependencies: ['route'] },
    ]);
    const run = scenario(definition).start({ a: true }).when({ type: 'PauseExecution' }).ok('first');
    expect(run.last).toEqual(['StepCompleted first #1']);
    expect(run.when({ type: 'ResumeExecution' }).last).toContain('ChoiceMade route');
  });

  test('is taken over by a fork after it, and chosen anew by a fork from it', () => {
    const run = scenario(claims()).start({ large: true }).ok('expert').ok('close');
    expect(forkFrom(run.state, 'expert', {})).toMatchObject({
      reused: [{ stepId: 'route', output: { branches: [0], steps: ['expert'] } }],
    });
    expect(forkFrom(run.state, 'route', {})).toMatchObject({ reused: [] });
  });

  test('does not lead past an approval: who is none of its approvers cannot skip the choice', () => {
    const definition = config('parallel', [
      { id: 'first' },
      {
        id: 'route',
        dependencies: ['first'],
        choice: { branches: [{ when: 'input.a', steps: ['gate'] }], default: [] },
      },
      { id: 'gate', dependencies: ['route'], approval: { approvers: ['bob'] } },
    ]);
    const run = scenario(definition).start({ a: true });
    expect(run.when({ type: 'SkipStep', stepId: 'route', by: 'eve' }).rejected?.code).toBe('not_an_approver');
    expect(run.when({ type: 'SkipStep', stepId: 'route', by: 'bob' }).last).toContain('StepSkipped route requested');
  });

  test('costs nothing: beyond the budget a choice is still made, and the execution ends when an agent would have to run', () => {
    const definition = config(
      'parallel',
      [
        { id: 'first' },
        {
          id: 'route',
          dependencies: ['first'],
          choice: { branches: [{ when: 'input.a', steps: ['a'] }], default: [] },
        },
        { id: 'a', dependencies: ['route'] },
      ],
      { settings: { budget: { max_tokens: 1 } } },
    );
    const nothing = scenario(definition).start({}).ok('first', { _tokens: 5 });
    expect(nothing.last.at(-1)).toBe('ExecutionCompleted');
    const something = scenario(definition).start({ a: true }).ok('first', { _tokens: 5 });
    expect(something.last.at(-1)).toBe('ExecutionFailed budget_exceeded');
  });
});
