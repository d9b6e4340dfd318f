import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import { executionId, startRequest } from './fixtures.js';
import { Platform } from './platform.js';

let platform: Platform;

beforeAll(async () => {
  platform = await Platform.start();
});

afterAll(() => platform.end());

describe('partitions', () => {
  it('are shared by owners, move when one comes or goes, and lose nothing', async () => {
    const one = await platform.execution('one');
    await platform.run();
    expect(one.ownedPartitions()).toHaveLength(8);
    let working = true;
    const ids: string[] = [];
    const load = (async () => {
      while (working) {
        const id = executionId();
        ids.push(id);
        await platform.command(startRequest(id, 'three'));
      }
    })();
    const two = await platform.execution('two');
    await eventually(() => expect([one.ownedPartitions().length, two.ownedPartitions().length]).toEqual([4, 4]));
    expect(new Set([...one.ownedPartitions(), ...two.ownedPartitions()]).size).toBe(8);
    await platform.stop(one);
    await eventually(() => expect(two.ownedPartitions()).toHaveLength(8));
    const again = await platform.execution('one');
    await eventually(() => expect(again.ownedPartitions()).toHaveLength(4));
    working = false;
    await load;
    expect(ids.length).toBeGreaterThan(5);
    await eventually(
      async () => {
        for (const id of ids) expect((await platform.get(id))?.status).toBe('completed');
      },
      { timeoutMs: 60_000 },
    );
    expect(await platform.logProblems()).toEqual([]);
  });

  it('come back at once under the same name, whatever the old process still thinks', async () => {
    const first = await platform.execution('same');
    await eventually(() => expect(first.ownedPartitions().length).toBeGreaterThan(0));
    const mine = first.ownedPartitions();
    const second = await platform.execution('same');
    expect(second.ownedPartitions()).toEqual(expect.arrayContaining(mine.slice(0, 1)));
    await eventually(() => expect(first.ownedPartitions()).toEqual([]));
    const id = executionId();
    await platform.command(startRequest(id, 'three'));
    await eventually(async () => expect((await platform.get(id))?.status).toBe('completed'), { timeoutMs: 60_000 });
    expect(await platform.logProblems()).toEqual([]);
  });
});
