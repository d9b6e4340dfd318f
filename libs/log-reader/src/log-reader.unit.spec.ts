import { afterEach, describe, expect, it } from '@jest/globals';
import { operations } from '@batuta/contracts';
import type { Event, ReadLogReply, ReadLogRequest } from '@batuta/contracts';
import { UnavailableError } from '@batuta/messaging';
import type { ControlClient } from '@batuta/messaging';
import type { Logger } from '@batuta/observability';
import { setTimeout as delay } from 'node:timers/promises';
import { cursorTable } from './cursor-table.js';
import { LogReader } from './log-reader.js';
import type { Committed, LogFollower, LogPass, Reading } from './log-reader.js';

const PARTITIONS = 3;
const cursors = cursorTable('mine.cursors');

/** The log of the execution service, cursors of a reader, and what was logged. */
class World {
  readonly logs: Event[][] = Array.from({ length: PARTITIONS }, () => []);
  readonly stored = new Map<number, number>();
  readonly asked: ReadLogRequest[] = [];
  readonly logged: { level: string; message: string; partition: number | undefined }[] = [];
  lags: number[] = [];
  available = true;
  reader: LogReader | undefined;

  append(partition: number, type = 'StepCompleted'): void {
    const log = this.logs[partition]!;
    log.push({ type, position: log.length + 1, partition, executionId: `e${partition}`, at: Date.now() } as Event);
  }

  readonly control = {
    request: (subject: string, request: unknown) => {
      if (!this.available) return Promise.reject(new UnavailableError('nobody answers'));
      if (subject === operations.engine.topology.subject) return Promise.resolve({ partitions: PARTITIONS });
      return Promise.resolve(this.#read(request as ReadLogRequest));
    },
  } as unknown as ControlClient;

  #read(request: ReadLogRequest): ReadLogReply {
    this.asked.push(request);
    const { cursors: wanted = [], limit = 0, types = [] } = request;
    const pages = wanted.map(({ partition, afterPosition: after }) => {
      const log = this.logs[partition]!;
      const found = log.filter(
        ({ position, type }) => position > after && (types.length === 0 || types.includes(type)),
      );
      const events = found.slice(0, limit);
      const position = events.length < found.length ? events.at(-1)!.position : Math.max(after, log.length);
      return { events, position };
    });
    return { events: [], position: 0, pages };
  }

  /** Moves the cursors that are still at `from`, as the statement does. */
  move(readings: readonly Reading[]): Set<number> {
    const moved = readings.filter(({ partition, from }) => this.stored.get(partition) === from);
    for (const { partition, to } of moved) this.stored.set(partition, to);
    return new Set(moved.map(({ partition }) => partition));
  }

  follow(passes: LogFollower['passes'], pollMs = 3_600_000): LogReader {
    const log = (level: string) => (fields: { partition?: number }, message: string) =>
      void this.logged.push({ level, message, partition: fields.partition });
    const reader = new LogReader({
      control: this.control,
      cursors,
      query: <Row>(text: string, values: unknown[]) => {
        if (text === cursors.add) {
          for (let each = 0; each < Number(values[0]); each += 1) this.stored.set(each, this.stored.get(each) ?? 0);
          return Promise.resolve([]);
        }
        expect(text).toBe(cursors.positions);
        const found = (values[0] as number[]).map((partition) => {
          // PostgreSQL's client reads a bigint as text.
          return { partition, position: String(this.stored.get(partition)) };
        });
        return Promise.resolve(found as Row[]);
      },
      follower: { passes, pauseMs: () => 0, lag: (seconds) => void this.lags.push(seconds) },
      logger: { debug: log('debug'), error: log('error') } as unknown as Logger,
      pollMs,
    });
    this.reader = reader;
    reader.start();
    return reader;
  }
}

let world = new World();

afterEach(async () => {
  await world.reader?.close();
  world = new World();
});

async function eventually(holds: () => void): Promise<void> {
  for (const until = performance.now() + 10_000; ; await delay(2)) {
    try {
      return holds();
    } catch (error) {
      if (performance.now() > until) throw error;
    }
  }
}

/** A pass over all events that notes what it committed. */
function everything(commit: (readings: readonly Reading[]) => Committed | undefined): LogPass {
  return { select: {}, commit: (readings) => Promise.resolve(commit(readings)) };
}

describe('a reader of the log', () => {
  it('hands over every event once and moves the cursors, over several pages', async () => {
    for (let count = 0; count < 450; count += 1) world.append(1);
    world.append(2);
    const seen: string[] = [];
    world.follow(() => [
      everything((readings) => {
        for (const { events } of readings) seen.push(...events.map((event) => `${event.partition}/${event.position}`));
        return { moved: world.move(readings) };
      }),
    ]);
    await eventually(() => expect([...world.stored.values()]).toEqual([0, 450, 1]));
    expect(seen.filter((event) => event.startsWith('1/'))).toEqual(
      world.logs[1]!.map(({ position }) => `1/${position}`),
    );
    expect(seen.filter((event) => event.startsWith('2/'))).toEqual(['2/1']);
    expect(world.lags.at(-1)).toBe(0);
  });

  it('reads what a notice names, and everything when it cannot read the notice', async () => {
    const reader = world.follow(() => [everything((readings) => ({ moved: world.move(readings) }))]);
    await eventually(() => expect(world.asked).toHaveLength(1));
    const hear = (text: string): void => reader.heard(Buffer.from(text));
    world.append(0);
    world.append(2);
    hear(JSON.stringify({ executionId: 'e', position: 1, others: [{ executionId: 'e', partition: 2, position: 1 }] }));
    await eventually(() => expect([...world.stored.values()]).toEqual([1, 0, 1]));
    const read = world.asked.length;
    // It was read up to there.
    hear(JSON.stringify({ executionId: 'e', partition: 2, position: 1 }));
    hear(JSON.stringify({ executionId: 'e', partition: 99, position: 1 }));
    await delay(20);
    expect(world.asked).toHaveLength(read);
    world.append(1);
    hear('not a notice');
    await eventually(() => expect([...world.stored.values()]).toEqual([1, 1, 1]));
    expect(world.asked[read]?.cursors?.map(({ partition }) => partition)).toEqual([0, 1, 2]);
  });

  it('tries the next pass from the same positions when one is not enough', async () => {
    world.append(0, 'ExecutionStarted');
    world.append(0);
    const tried: string[] = [];
    world.follow(() => [
      {
        select: { types: ['ExecutionStarted'] },
        commit: (readings) => {
          tried.push(`few: ${readings.map(({ from, to, events }) => `${from}-${to}, ${events.length}`).join()}`);
          return Promise.resolve(undefined);
        },
      },
      everything((readings) => {
        tried.push(`all: ${readings.map(({ from, to, events }) => `${from}-${to}, ${events.length}`).join()}`);
        return { moved: world.move(readings) };
      }),
    ]);
    await eventually(() => expect(world.stored.get(0)).toBe(2));
    expect(tried.slice(0, 2)).toEqual(['few: 0-2, 1', 'all: 0-2, 2']);
  });

  it('reads again from where another replica has moved a cursor', async () => {
    world.append(0);
    world.append(0);
    const begun: number[] = [];
    let first = true;
    world.follow(() => [
      everything((readings) => {
        begun.push(...readings.map(({ from }) => from));
        if (first) world.stored.set(0, 1);
        first = false;
        return { moved: world.move(readings) };
      }),
    ]);
    await eventually(() => expect(world.stored.get(0)).toBe(2));
    expect(begun).toEqual([0, 1]);
  });

  it('does not let a partition that cannot be committed stop the others', async () => {
    for (const partition of [0, 1, 2]) world.append(partition);
    world.follow(() => [
      everything((readings) => {
        if (readings.some(({ partition }) => partition === 1)) throw new Error('cannot be stored');
        return { moved: world.move(readings) };
      }),
    ]);
    await eventually(() => expect([...world.stored.values()]).toEqual([1, 0, 1]));
    expect(world.logged).toEqual([{ level: 'error', message: 'a partition could not be read', partition: 1 }]);
  });

  it('leaves a postponed partition until the next poll', async () => {
    world.append(0);
    let commits = 0;
    world.follow(
      () => [
        everything((readings) => {
          commits += 1;
          if (commits === 1) return { moved: new Set(), postponed: new Set([0]) };
          return { moved: world.move(readings) };
        }),
      ],
      300,
    );
    await eventually(() => expect(commits).toBe(1));
    await delay(20);
    expect(commits).toBe(1);
    await eventually(() => expect(world.stored.get(0)).toBe(1));
  });

  it('asks again while the execution service does not answer', async () => {
    world.available = false;
    world.append(0);
    world.follow(() => [everything((readings) => ({ moved: world.move(readings) }))], 10);
    await eventually(() => expect(world.logged.length).toBeGreaterThan(1));
    // An outage is not an error of the reader.
    expect(new Set(world.logged.map(({ level }) => level))).toEqual(new Set(['debug']));
    world.available = true;
    await eventually(() => expect(world.stored.get(0)).toBe(1));
  });
});
