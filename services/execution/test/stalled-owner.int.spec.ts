import { afterEach, expect, it } from '@jest/globals';
import { partitionOf } from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import { PARTITIONS, StallingClock, engineInMemory } from './engine-in-memory.js';
import type { TestEngine } from './engine-in-memory.js';
import { cancelRequest, executionId, startRequest, success } from './fixtures.js';

const engines: TestEngine[] = [];

afterEach(async () => {
  await Promise.all(engines.splice(0).map(({ engine }) => engine.stop()));
});

it('an owner that was stopped past its lease notices, and nothing it tries takes effect', async () => {
  const clock = new StallingClock();
  const stalled = await engineInMemory({ name: 'stalled', leaseMs: 200, clock });
  engines.push(stalled);
  const id = executionId();
  await stalled.bus.command(startRequest(id, 'three')).answer;
  const partition = partitionOf(id, PARTITIONS);
  await eventually(() => stalled.bus.tasks.length === 1);
  const before = (await stalled.store.view()).partitions[partition]?.epoch ?? 0;

  clock.stop();
  // Decided by the stalled owner before anybody took over, and on its way when it wakes.
  const late = stalled.bus.command(cancelRequest(id));
  const other = await engineInMemory({ name: 'other', store: stalled.store, leaseMs: 60_000 });
  engines.push(other);
  await eventually(() => {
    other.engine.rebalance();
    return other.engine.owned.length === PARTITIONS;
  });
  expect((await stalled.store.view()).partitions[partition]).toMatchObject({ owner: 'other', epoch: before + 1 });
  const result = await other.bus.results(id, [success({ executionId: id, stepId: 'a', attempt: 1 })]).answer;
  expect(result.replies).toEqual([{ outcome: 'recorded' }]);
  const history = await stalled.store.readEvents(id, 1, 100);
  expect(history.map((event) => event.type)).toEqual([
    'ExecutionStarted',
    'StepScheduled',
    'StepCompleted',
    'StepScheduled',
  ]);

  const handler = stalled.bus.handlers.get(partition);
  clock.go();
  const stale = stalled.bus.results(id, [success({ executionId: id, stepId: 'a', attempt: 7 })], handler);
  await eventually(() => stalled.engine.owned.every((item) => item.epoch > before));
  expect([late.answered(), stale.answered()]).toEqual([false, false]);
  expect(await stalled.store.readEvents(id, 1, 100)).toEqual(history);
  expect(stalled.bus.stops).toEqual([]);
});
