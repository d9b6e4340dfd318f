import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { subjects } from '@batuta/contracts';
import type { Event, JsonValue, Task } from '@batuta/contracts';
import { requestUntilAnswered } from '@batuta/messaging';
import { Sandbox } from '@batuta/sandbox';
import { eventually } from '@batuta/testing';
import type { AgentCopy } from '../src/store/port.js';
import type { Evaluator } from '../src/partitions/ports/ports.js';
import { sandboxEvaluator } from '../src/partitions/effects/sandbox-evaluator.js';
import { engineInMemory } from './engine-in-memory.js';
import type { TestEngine } from './engine-in-memory.js';
import { STRICT, executionId, startRequest, success } from './fixtures.js';
import { Platform } from './platform.js';

const sandbox = new Sandbox({ threads: 1 });
const engines: TestEngine[] = [];

afterEach(async () => {
  await Promise.all(engines.splice(0).map(({ engine }) => engine.stop()));
});
afterAll(() => sandbox.close());

/** An engine whose config service and sandbox a test can switch off. */
async function started(options: Parameters<typeof engineInMemory>[0] = {}) {
  const world = {
    agent: STRICT as AgentCopy | undefined,
    configs: true,
    sandbox: true,
    lookUps: 0,
    validations: 0,
    evaluations: 0,
  };
  const real = sandboxEvaluator(sandbox);
  const evaluator: Evaluator = {
    evaluate: (request) => {
      world.evaluations += 1;
      return world.sandbox ? real.evaluate(request) : Promise.resolve({ unavailable: 'too much waits' });
    },
    validate: (request) => {
      world.validations += 1;
      return world.sandbox ? real.validate(request) : Promise.resolve({ unavailable: 'too much waits' });
    },
  };
  const test = await engineInMemory({
    evaluator,
    configs: {
      agent: () => {
        world.lookUps += 1;
        return Promise.resolve(world.configs ? { agent: world.agent } : { unavailable: 'nobody answers' });
      },
    },
    ...options,
  });
  engines.push(test);
  return { ...test, world };
}

type Started = Awaited<ReturnType<typeof started>>;

async function begin(test: Started, config: string, input: JsonValue): Promise<string> {
  const id = executionId();
  expect(await test.bus.command(startRequest(id, config, input)).answer).toMatchObject({ accepted: {} });
  return id;
}

async function taskOf(test: Started, id: string, attempt = 1): Promise<Task> {
  return eventually(() => test.bus.tasks.find((task) => task.executionId === id && task.attempt === attempt) ?? false);
}

async function eventOf<T extends Event['type']>(test: Started, id: string, type: T): Promise<Event> {
  return eventually(
    async () => (await test.store.readEvents(id, 1, 100)).find((event) => event.type === type) ?? false,
  );
}

describe('an expression while the sandbox is busy', () => {
  it('waits for its turn: being busy is no failure of the step', async () => {
    const test = await started();
    test.world.sandbox = false;
    const id = await begin(test, 'gated', { amount: 5 });
    await eventually(() => test.world.evaluations > 2);
    expect((await test.store.readEvents(id, 1, 100)).map(({ type }) => type)).not.toContain('EvaluationRecorded');
    test.world.sandbox = true;
    expect((await eventOf(test, id, 'EvaluationRecorded')).data).toMatchObject({ values: ['Pay 5?'] });
    expect((await eventOf(test, id, 'ApprovalRequested')).data).toMatchObject({ message: 'Pay 5?' });
  });
});

describe('an input that does not fit its agent’s input_schema', () => {
  it('fails the step before any worker sees it, whatever its retries, and says where', async () => {
    const test = await started();
    const id = await begin(test, 'strict', { question: 'why?' });
    expect((await eventOf(test, id, 'StepFailed')).data).toMatchObject({
      stepId: 'a',
      failure: {
        code: 'input_invalid',
        message: 'the input of the agent "strict" does not fit its input_schema: /input/question: must be integer',
        retryable: false,
      },
    });
    const events = await test.store.readEvents(id, 1, 100);
    expect(events.filter((event) => event.type === 'StepScheduled')).toHaveLength(1);
    expect(test.bus.tasks).toEqual([]);
  });

  it('is found also when schemas could not be run at first; one that fits is dispatched then', async () => {
    const test = await started();
    test.world.sandbox = false;
    const good = await begin(test, 'strict', { question: 1 });
    const bad = await begin(test, 'strict', {});
    await eventually(() => test.engine.effects.retrying === 2);
    expect(test.bus.tasks).toEqual([]);
    test.world.sandbox = true;
    expect(await taskOf(test, good)).toMatchObject({ agent: 'strict', input: { question: 1 } });
    expect((await eventOf(test, bad, 'StepFailed')).data).toMatchObject({ failure: { code: 'input_invalid' } });
    expect(test.bus.tasks).toHaveLength(1);
  });

  it('is not looked at again while the queue refuses the task', async () => {
    const test = await started();
    test.bus.queue = 'retry';
    const id = await begin(test, 'strict', { question: 1 });
    await eventually(() => test.engine.counters.dispatches > 2);
    expect(test.world.validations).toBe(1);
    test.bus.queue = 'stored';
    await taskOf(test, id);
  });

  it('names the first violations only, in a bounded text', async () => {
    const test = await started();
    const names = Array.from({ length: 50 }, (_, index) => `${'n'.repeat(400)}${index}`);
    test.world.agent = { pool: 'default', inputSchema: { type: 'object', required: names } };
    const id = await begin(test, 'strict', {});
    const { failure } = (await eventOf(test, id, 'StepFailed')).data as { failure: { message: string } };
    expect(failure.message).toMatch(/; and 45 more$/);
    expect(failure.message.length).toBeLessThanOrEqual(2_000);
  });
});

describe('an output that does not fit its agent’s output_schema', () => {
  it('is a failed attempt, and the step fails when attempts are spent', async () => {
    const test = await started();
    const id = await begin(test, 'strict', { question: 1 });
    for (const attempt of [1, 2]) {
      const output = { answer: 42, _tokens: 7, _cost: 0.5 };
      const reply = await test.bus.results(id, [success(await taskOf(test, id, attempt), output)]).answer;
      expect(reply.replies).toEqual([{ outcome: 'recorded' }]);
    }
    // Its cost still counts.
    expect((await eventOf(test, id, 'StepAttemptFailed')).data).toMatchObject({ tokenCount: 7, estimatedCost: 0.5 });
    expect((await eventOf(test, id, 'StepFailed')).data).toMatchObject({
      failure: {
        code: 'output_invalid',
        message: 'the output of the agent "strict" does not fit its output_schema: /output/answer: must be string',
        retryable: true,
      },
    });
  });

  it('may be followed by one that does; what an agent tells of its spending is not part of it', async () => {
    const test = await started();
    const id = await begin(test, 'strict', { question: 1 });
    await test.bus.results(id, [success(await taskOf(test, id), null)]).answer;
    const output = { answer: 'so', _tokens: 7, _cost: 0.5 };
    await test.bus.results(id, [success(await taskOf(test, id, 2), output)]).answer;
    expect((await eventOf(test, id, 'StepCompleted')).data).toMatchObject({
      attempt: 2,
      output: { answer: 'so' },
      tokenCount: 7,
    });
  });

  it.each(['configs', 'sandbox'] as const)('is neither accepted nor answered without %s', async (missing) => {
    const test = await started();
    const id = await begin(test, 'strict', { question: 1 });
    const result = success(await taskOf(test, id), { answer: 42 });
    test.engine.effects.agents.forget();
    test.world[missing] = false;
    const dropped = test.engine.counters.droppedInputs;
    const lost = test.bus.results(id, [result]);
    await eventually(() => test.engine.counters.droppedInputs > dropped);
    expect(lost.answered()).toBe(false);
    expect((await test.store.readNewest([id])).map((newest) => newest?.version)).toEqual([2]);
    test.world[missing] = true;
    expect((await test.bus.results(id, [result]).answer).replies).toEqual([{ outcome: 'recorded' }]);
    expect((await eventOf(test, id, 'StepAttemptFailed')).data).toMatchObject({ failure: { code: 'output_invalid' } });
  });

  it('leaves the answers to repeated, late and stray results as they are, also while nobody can check', async () => {
    const test = await started();
    const id = await begin(test, 'strict', { question: 1 });
    const task = await taskOf(test, id);
    await test.bus.results(id, [success(task, { answer: 'so' })]).answer;
    test.engine.effects.agents.forget();
    test.world.configs = false;
    const stray = executionId().replace(/^.{8}/, '00000000');
    const replies = await Promise.all([
      test.bus.results(id, [success(task, { answer: 42 }), success({ ...task, attempt: 2 }, null)]).answer,
      test.bus.results(stray, [success({ ...task, executionId: stray }, null)]).answer,
    ]);
    expect(replies.flatMap((reply) => reply.replies.map(({ outcome }) => outcome))).toEqual([
      'recorded',
      'stale',
      'unknown_execution',
    ]);
    expect((await eventOf(test, id, 'StepCompleted')).data).toMatchObject({ output: { answer: 'so' } });
  });

  it('is found by an owner that has not read the execution yet', async () => {
    const first = await started({ name: 'one' });
    const id = await begin(first, 'strict', { question: 1 });
    const task = await taskOf(first, id);
    await eventually(async () =>
      (await first.store.view()).partitions.every((p) => p.publishedPosition === p.lastPosition),
    );
    await first.engine.stop();
    const next = await started({ name: 'two', store: first.store });
    await eventually(() => next.engine.owned.length > 0);
    expect(next.engine.counters.loads).toBe(0);
    const reply = await next.bus.results(id, [success(task, { answer: 42 })]).answer;
    expect(reply.replies).toEqual([{ outcome: 'recorded' }]);
    expect((await eventOf(next, id, 'StepAttemptFailed')).data).toMatchObject({ failure: { code: 'output_invalid' } });
    expect(next.engine.counters.loads).toBe(1);
  });

  it('is held to the schema that the agent has when it answers', async () => {
    const test = await started();
    const id = await begin(test, 'strict', { question: 1 });
    const task = await taskOf(test, id);
    test.world.agent = { pool: 'default', outputSchema: { type: 'object', required: ['proof'] } };
    test.engine.effects.agents.forget();
    await test.bus.results(id, [success(task, { answer: 'so' })]).answer;
    expect((await eventOf(test, id, 'StepAttemptFailed')).data).toMatchObject({
      failure: { code: 'output_invalid', message: expect.stringContaining('/output/proof: ') as unknown },
    });
  });
});

it('asks nobody about built-in agents', async () => {
  const test = await started();
  const id = await begin(test, 'three', 'anything');
  for (const stepId of ['a', 'b', 'c']) {
    await test.bus.results(id, [success({ executionId: id, stepId, attempt: 1 })]).answer;
  }
  await eventOf(test, id, 'ExecutionCompleted');
  expect([test.world.lookUps, test.world.validations]).toEqual([0, 0]);
});

describe('on real servers', () => {
  let platform: Platform;

  beforeAll(async () => {
    platform = await Platform.start();
  });
  afterAll(() => platform.end());

  it('schemas are kept in the database, and enforced after a restart while the config service is away', async () => {
    platform.registry.set('strict', STRICT);
    platform.agent = () => undefined;
    const one = await platform.execution('one');
    await platform.run();
    const id = executionId();
    await platform.command(startRequest(id, 'strict', { question: 1 }));
    const task = await eventually(() => platform.tasks.find((item) => item.executionId === id) ?? false);
    await platform.endConfigService();
    await platform.stop(one);
    await platform.execution('two');
    const other = executionId();
    await platform.command(startRequest(other, 'strict', { question: null }));
    const result = JSON.stringify({ results: [success(task, { answer: 42 })] });
    const reply = await requestUntilAnswered(platform.connection, subjects.result(task.partition), result, {
      timeoutMs: 60_000,
    });
    expect(reply.json()).toMatchObject({ replies: [{ outcome: 'recorded' }] });
    const failures = async (execution: string): Promise<unknown[]> =>
      (await platform.events(execution)).flatMap(({ type, data }) =>
        type === 'StepAttemptFailed' ? [(data as { failure: { code: string } }).failure.code] : [],
      );
    expect(await failures(id)).toEqual(['output_invalid']);
    await eventually(async () => expect(await failures(other)).toEqual(['input_invalid']), { timeoutMs: 60_000 });
  });
});
