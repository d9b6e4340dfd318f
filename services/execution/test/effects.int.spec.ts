import { afterEach, describe, expect, it } from '@jest/globals';
import { partitionOf } from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import { PARTITIONS, StallingClock, engineInMemory } from './engine-in-memory.js';
import type { TestEngine } from './engine-in-memory.js';
import { cancelRequest, executionId, startRequest, success } from './fixtures.js';

const engines: TestEngine[] = [];

async function started(options: Parameters<typeof engineInMemory>[0] = {}): Promise<TestEngine> {
  const made = await engineInMemory(options);
  engines.push(made);
  return made;
}

afterEach(async () => {
  await Promise.all(engines.splice(0).map(({ engine }) => engine.stop()));
});

const published = async (test: TestEngine, id: string): Promise<[number, number]> => {
  const record = (await test.store.view()).partitions[partitionOf(id, PARTITIONS)];
  return [record?.publishedPosition ?? -1, record?.lastPosition ?? -1];
};

describe('effects', () => {
  it('that were not acknowledged are performed again by the next owner, and only those still wanted', async () => {
    const clock = new StallingClock();
    const dead = await started({ name: 'dead', leaseMs: 200, clock });
    dead.bus.queue = 'lost';
    const [wanted, cancelled] = [executionId(), executionId()];
    await dead.bus.command(startRequest(wanted, 'three')).answer;
    await dead.bus.command(startRequest(cancelled, 'three')).answer;
    await dead.bus.command(cancelRequest(cancelled)).answer;
    expect((await published(dead, wanted))[0]).toBe(0);
    clock.stop();
    const next = await started({ name: 'next', store: dead.store });
    await eventually(() => {
      next.engine.rebalance();
      return next.engine.owned.length === PARTITIONS;
    });
    await eventually(() => next.bus.tasks.length > 0);
    expect(next.bus.tasks).toEqual([expect.objectContaining({ executionId: wanted, stepId: 'a', checkFirst: true })]);
    expect(next.bus.tasks[0]?.dispatch).toBeGreaterThan(1);
    await eventually(async () => {
      const [done, last] = await published(next, wanted);
      expect(done).toBe(last);
    });
    clock.go();
  });

  it.each(['retry', 'stream_missing'] as const)('go on until the queue takes them, after "%s"', async (outcome) => {
    const test = await started();
    const ensuredBefore = test.bus.ensured;
    test.bus.queue = outcome;
    const id = executionId();
    await test.bus.command(startRequest(id, 'three')).answer;
    await eventually(() => test.engine.effects.retrying === 1);
    test.bus.queue = 'stored';
    await eventually(() => test.bus.tasks.length === 1);
    expect(test.bus.ensured - ensuredBefore).toBe(outcome === 'retry' ? 0 : 1);
  });

  it('that can never succeed become the attempt’s failure', async () => {
    const test = await started();
    test.bus.queue = 'too_large';
    const id = executionId();
    await test.bus.command(startRequest(id, 'three')).answer;
    await eventually(async () => {
      const events = await test.store.readEvents(id, 1, 100);
      expect(events.find((event) => event.type === 'StepAttemptFailed')?.data).toMatchObject({
        failure: { code: 'input_too_large' },
      });
    });
    expect(test.bus.lifecycle).toEqual(['ExecutionStarted', 'StepFailed', 'ExecutionFailed']);
    expect(test.bus.stops.length).toBeGreaterThan(0);
  });
});

describe('the cache of executions', () => {
  it('forgets what was not used lately, and reads it back for its next input', async () => {
    const test = await started({ cacheBytes: 400_000 });
    const ids: string[] = [];
    for (let index = 0; index < 500; index++) {
      const id = executionId();
      ids.push(id);
      await test.bus.command(startRequest(id, 'three')).answer;
    }
    expect(test.engine.counters.evictions).toBeGreaterThan(0);
    expect(test.engine.cacheBytes).toBeLessThan(1_500_000);
    const [first = ''] = ids;
    const reply = await test.bus.results(first, [success({ executionId: first, stepId: 'a', attempt: 1 })]).answer;
    expect(reply.replies).toEqual([{ outcome: 'recorded' }]);
    expect(test.engine.counters.loads).toBeGreaterThan(0);
    expect((await test.store.readNewest([first])).map((newest) => newest?.version)).toEqual([4]);
  });

  it('keeps who waits for the end of an execution that it forgot', async () => {
    const test = await started({ cacheBytes: 400_000 });
    const waitedFor = executionId();
    await test.bus.command(startRequest(waitedFor, 'three'), 'batuta.end.gateway1').answer;
    const inMemory = (): boolean => test.engine.owned.some(({ executions }) => executions.has(waitedFor));
    for (let others = 0; inMemory() && others < 2_000; others++) {
      await test.bus.command(startRequest(executionId(), 'three')).answer;
    }
    expect(inMemory()).toBe(false);
    expect(test.bus.ends).toEqual([]);
    await test.bus.command(cancelRequest(waitedFor)).answer;
    expect(test.bus.ends).toEqual(['batuta.end.gateway1']);
  });
});
