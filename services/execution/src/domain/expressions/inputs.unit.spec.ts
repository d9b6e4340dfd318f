import { describe, expect, test } from '@jest/globals';
import { taskInput } from './inputs.js';
import { forkFrom } from '../fork.js';
import { taskOf } from '../task.js';
import { view } from '../view/view.js';
import { config, failure, scenario } from '../../../test/engine/scenario.js';

const diamond = config('parallel', [
  { id: 'a', output_key: 'left', on_failure: 'continue' },
  { id: 'b' },
  { id: 'c', dependencies: ['a', 'b'] },
]);

describe('the input of a step', () => {
  test('is the execution input without dependencies, else its fields overlaid by their outputs', () => {
    const run = scenario(diamond).start({ left: 'mine', keep: 1 });
    expect(taskInput(run.state, 'a')).toEqual({ left: 'mine', keep: 1 });
    run.fails('a').ok('b', [1]);
    expect(taskInput(run.state, 'c')).toEqual({ left: null, keep: 1, b: [1] });
  });

  test('an execution input that is no object stands under input', () => {
    const run = scenario(diamond).start('text').ok('a', 1).ok('b', 2);
    expect(taskInput(run.state, 'c')).toEqual({ input: 'text', left: 1, b: 2 });
    const without = scenario(diamond).start().ok('a', 1).ok('b', 2);
    expect(taskInput(without.state, 'c')).toEqual({ left: 1, b: 2 });
  });

  test('a key named __proto__ stays a key', () => {
    const definition = config('parallel', [
      { id: 'a', output_key: '__proto__' },
      { id: 'b', dependencies: ['a'] },
    ]);
    const input = taskInput(scenario(definition).start({}).ok('a', { x: 1 }).state, 'b');
    expect(Object.keys(input as object)).toEqual(['__proto__']);
    expect(({} as { x?: number }).x).toBeUndefined();
  });

  describe('with settings.default_input merged', () => {
    const merged = (
      steps: Parameters<typeof config>[1],
      rest: Parameters<typeof config>[2] = {},
    ): ReturnType<typeof config> => config('parallel', steps, { ...rest, settings: { default_input: 'merged' } });

    test('holds each dependency under dep_<id>, and its fields merged in listed order over the execution input', () => {
      const run = scenario(
        merged([{ id: 'a', output_key: 'left' }, { id: 'b' }, { id: 'c', dependencies: ['b', 'a'] }]),
      ).start({ job: 'import', x: 0, keep: 1 });
      expect(taskInput(run.state, 'a')).toEqual({ job: 'import', x: 0, keep: 1 });
      run.ok('a', { x: 'from a', y: 1 }).ok('b', { x: 'from b', z: 2 });
      expect(taskInput(run.state, 'c')).toEqual({
        job: 'import',
        keep: 1,
        dep_a: { x: 'from a', y: 1 },
        dep_b: { x: 'from b', z: 2 },
        x: 'from a',
        y: 1,
        z: 2,
      });
    });

    test('says why a dependency failed, and gives null for one that was skipped', () => {
      const run = scenario(
        merged([
          { id: 'a', on_failure: 'continue' },
          { id: 'b', when: 'input.b' },
          { id: 'c', dependencies: ['a', 'b'] },
        ]),
      )
        .start({ b: false })
        .fails('a', failure('broken'));
      expect(taskInput(run.state, 'c')).toEqual({
        b: false,
        dep_a: { error: 'broken happened' },
        error: 'broken happened',
        dep_b: null,
      });
    });

    test('gives the output of what stood in for a dependency, under the name of the dependency', () => {
      const run = scenario(
        merged([
          { id: 'a', on_failure: 'fallback' },
          { id: 'spare', fallback_for: 'a' },
          { id: 'c', dependencies: ['a'] },
        ]),
      )
        .start({})
        .fails('a')
        .ok('spare', { x: 1 });
      expect(taskInput(run.state, 'c')).toEqual({ dep_a: { x: 1 }, x: 1 });
    });

    test('gives the output of a consensus group, and outputs that are no objects only under dep_<id>', () => {
      const run = scenario(
        merged([
          { id: 'm', consensus_group: 'g' },
          { id: 'n', consensus_group: 'g' },
          { id: 'list' },
          { id: 'c', dependencies: ['g', 'list'] },
        ]),
      )
        .start('text')
        .ok('m', { x: 1 })
        .ok('n', { y: 2 })
        .ok('list', [1]);
      expect(taskInput(run.state, 'c')).toEqual({
        input: 'text',
        dep_g: { x: 1, y: 2 },
        x: 1,
        y: 2,
        dep_list: [1],
      });
    });

    test('an input mapping takes its place', () => {
      const run = scenario(
        merged([{ id: 'a' }, { id: 'b', dependencies: ['a'], input: { only: '{% outputs.a.x %}' } }]),
      )
        .start({})
        .ok('a', { x: 1 });
      expect(taskInput(run.state, 'b')).toEqual({ only: 1 });
    });

    test('counts towards the limit with both places of an output', () => {
      const half = 'x'.repeat(1024 * 1024 - 100);
      const steps = ['a', 'b', 'd'].map((id) => ({ id }));
      const run = scenario(merged([...steps, { id: 'c', dependencies: ['a', 'b', 'd'], on_failure: 'abort' }])).start(
        {},
      );
      for (const { id } of steps) run.ok(id, { [id]: half });
      expect(run.state.status).toBe('failed');
      expect(run.state.failure?.code).toBe('input_too_large');
    });
  });

  test('a task carries what its runner needs', () => {
    const run = scenario(config('parallel', [{ id: 'a', timeout_ms: 5000, retry: { max_attempts: 3 } }])).start({
      q: 1,
    });
    expect(taskOf(run.state, 'a', { partition: 7, dispatch: 1, checkFirst: false })).toEqual({
      executionId: 'execution-1',
      stepId: 'a',
      stepName: 'A',
      attempt: 1,
      dispatch: 1,
      agent: 'echo',
      input: { q: 1 },
      timeoutMs: 5000,
      idempotencyKey: 'execution-1/a',
      tenantId: 'default',
      partition: 7,
      scheduledAt: run.now,
      maxAttempts: 3,
      executionName: 'test',
    });
  });
});

describe('a fork', () => {
  const chain = config('sequential', [
    { id: 'a' },
    { id: 'b', dependencies: ['a'] },
    { id: 'c', dependencies: ['b'] },
    { id: 'd' },
  ]);

  test('takes over the completed steps before the one it starts from', () => {
    const source = scenario(chain).start({ x: 1 }).ok('a', 'A').ok('b', 'B').ok('c', 'C').ok('d', 'D');
    const fork = forkFrom(source.state, 'c', source.state.started?.input);
    expect(fork).toEqual({
      reused: [
        { stepId: 'a', output: 'A' },
        { stepId: 'b', output: 'B' },
      ],
    });
    const run = scenario(chain).when({
      type: 'StartExecution',
      executionId: 'execution-2',
      principal: { tenantId: 'default', userId: 'u', role: 'operator', keyId: 'k' },
      start: {
        configId: 'c',
        configVersion: 1,
        traceId: 't',
        input: { x: 2 },
        fork: { executionId: 'execution-1', fromStepId: 'c' },
      },
      ...fork,
    });
    expect(run.last).toEqual(['ExecutionStarted', 'StepReused a', 'StepReused b', 'StepScheduled c #1']);
    expect(run.state.started).toMatchObject({ forkedFrom: 'execution-1', forkedFromStepId: 'c' });
    expect(view(run.state)).toMatchObject({ forkedFrom: 'execution-1', forkedFromStepId: 'c' });
    expect(taskInput(run.state, 'c')).toEqual({ x: 2, b: 'B' });
    expect(run.ok('c').ok('d').status).toBe('completed');
  });

  test('keeps independent branches of a graph, and a group as a whole', () => {
    const definition = config('consensus', [
      { id: 'x', consensus_group: 'g' },
      { id: 'y', consensus_group: 'g' },
      { id: 'after', dependencies: ['g'] },
      { id: 'alone' },
    ]);
    const source = scenario(definition).start().ok('x', { x: 1 }).ok('y', { y: 1 }).ok('alone', 1).ok('after', 2);
    expect(forkFrom(source.state, 'after', source.state.started?.input)).toEqual({
      reused: [
        { stepId: 'g', output: { x: 1, y: 1 } },
        { stepId: 'alone', output: 1 },
      ],
    });
    expect(forkFrom(source.state, 'x', source.state.started?.input)).toEqual({
      reused: [{ stepId: 'alone', output: 1 }],
    });
  });

  test('is refused from a step that does not exist; one of an execution that runs takes over what is done so far', () => {
    const run = scenario(chain).start();
    expect(forkFrom(run.state, 'nowhere', run.state.started?.input)).toMatchObject({
      rejected: { code: 'step_not_found' },
    });
    expect(forkFrom(run.ok('a', 1).state, 'c', run.state.started?.input)).toEqual({
      reused: [{ stepId: 'a', output: 1 }],
    });
  });
});
