import { describe, expect, it } from '@jest/globals';
import { newCounters } from '../ports/counters.js';
import { HistoryRemover } from './history-remover.js';
import { Partition } from '../lane/partition.js';
import type { Clock } from '../ports/ports.js';

/** A clock whose timers run when they are told to. */
function steppedClock(): { readonly clock: Clock; readonly step: () => Promise<void> } {
  let timers: (() => void)[] = [];
  const after = (_ms: number, callback: () => void): (() => void) => {
    timers.push(callback);
    return () => (timers = timers.filter((timer) => timer !== callback));
  };
  const clock = {
    now: () => 0,
    elapsed: () => 0,
    after,
    soon: after.bind(undefined, 0),
    next: after.bind(undefined, 0),
  };
  return {
    clock,
    step: async () => {
      for (const timer of timers.splice(0)) timer();
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

describe('removing deleted executions', () => {
  it('waits for the effects of its events, which the next owner would read from them', async () => {
    const partition = new Partition(
      { partition: 1, owner: 'one', ownerAlive: true, epoch: 1, lastPosition: 0, publishedPosition: 0 },
      0,
      0,
    );
    const effect = partition.openTicket(7);
    const removed: string[] = [];
    const { clock, step } = steppedClock();
    const remover = new HistoryRemover({
      clock,
      log: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
      store: {
        readDeleted: () => Promise.resolve(removed.length > 0 ? [] : [{ id: 'a', partition: 1, position: 9 }]),
        removeHistory: (ids) => {
          removed.push(...ids);
          return Promise.resolve([...ids]);
        },
      },
      counters: newCounters(),
      partitions: () => [partition],
      projected: () => Infinity,
    });
    partition.close(partition.openTicket(9));
    remover.start();
    for (let looks = 0; looks < 3; looks++) await step();
    expect([removed, remover.waiting]).toEqual([[], 1]);
    partition.close(effect);
    for (let looks = 0; looks < 3; looks++) await step();
    expect([removed, remover.waiting]).toEqual([['a'], 0]);
    const stopped = remover.stop();
    await step();
    await stopped;
  });
});
