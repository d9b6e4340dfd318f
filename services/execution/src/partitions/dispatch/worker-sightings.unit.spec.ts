import { describe, expect, it } from '@jest/globals';
import type { RunnerBeat } from '@batuta/contracts';
import { WorkerSightings } from './worker-sightings.js';

const beat = (
  runnerId: string,
  incarnation: string,
  slots: number,
  free: number,
  pool = 'gpu',
  held: string[] = [],
): RunnerBeat => ({
  runnerId,
  incarnation,
  pools: [{ pool, slots, free, open: true }],
  held,
  expiresMs: 2_000,
});

describe('sightings of workers', () => {
  let now = 0;
  const build = (): WorkerSightings => {
    now = 100_000;
    return new WorkerSightings({ elapsed: () => now });
  };

  it('count the workers of a pool, with all slots and the free ones, by each one’s newest beat', () => {
    const sightings = build();
    sightings.heard(beat('one', 'a', 8, 8));
    sightings.heard(beat('one', 'a', 8, 3, 'gpu', ['e/s1/1', 'e/s2/1']));
    sightings.heard(beat('two', 'b', 4, 0));
    sightings.heard(beat('three', 'c', 16, 16, 'other'));
    expect(sightings.pool('gpu')).toEqual({ workers: 2, slots: 12, free: 3, direct: 2 });
    expect(sightings.pool('none')).toEqual({ workers: 0, slots: 0, free: 0, direct: 0 });
  });

  it('keep a worker that went away for 30 s, without its slots', () => {
    const sightings = build();
    sightings.heard(beat('one', 'a', 8, 8));
    now += 2_001;
    expect(sightings.pool('gpu')).toEqual({ workers: 1, slots: 0, free: 0, direct: 0 });
    // The same worker, started again.
    sightings.heard(beat('one', 'b', 4, 4));
    expect(sightings.pool('gpu')).toEqual({ workers: 1, slots: 4, free: 4, direct: 0 });
    now += 30_001;
    expect(sightings.pool('gpu')).toEqual({ workers: 0, slots: 0, free: 0, direct: 0 });
  });
});
