import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import type { Event, OrchestrationDefinition } from '@batuta/contracts';
import type { LogCursor, LogSelection } from '@batuta/event-store';
import { SpansRefusedError } from '@batuta/observability';
import type { FinishedSpan, Tracing } from '@batuta/observability';
import { eventually } from '@batuta/testing';
import { compile } from '../domain/index.js';
import { Partition } from '../partitions/lane/partition.js';
import { systemClock } from '../partitions/ports/system-ports.js';
import { ExecutionTrace } from './execution-trace.js';
import { MOVE_CURSORS, OPEN_CURSORS } from './sql.js';
import { TraceProjection } from './trace-projection.js';

const golden = JSON.parse(readFileSync(new URL('../../test/golden/fallback-chain.json', import.meta.url), 'utf8')) as {
  definition: OrchestrationDefinition;
  events: Event[];
};
const config = compile(golden.definition);
/** The golden history as a partition's log. */
const LOG = golden.events.map((event, index): Event => ({ ...event, position: index + 1, partition: 3 }));

function expectedSpans(): string[] {
  const [started] = LOG;
  if (started?.type !== 'ExecutionStarted') throw new Error('no start');
  const trace = new ExecutionTrace(started, config);
  return LOG.flatMap((event) => trace.apply(event)).map((span) => span.spanId);
}

/** One partition's log and cursor, and a collector with given answers. */
class Surroundings {
  log: Event[] = [];
  cursor: number | undefined;
  readonly exported: string[][] = [];
  histories = 0;
  sampled = true;
  fail: () => Error | undefined = () => undefined;
  warnings = 0;
  readonly partition: Partition;
  readonly projection: TraceProjection;

  constructor(before?: { readonly log: Event[]; readonly cursor: number | undefined }) {
    const from = before?.log.length ?? 0;
    this.log = before?.log ?? [];
    this.cursor = before?.cursor;
    this.partition = new Partition(
      { partition: 3, owner: 'me', ownerAlive: true, epoch: 1, lastPosition: from, publishedPosition: 0 },
      0,
      0,
    );
    const tracing: Tracing = {
      enabled: true,
      sampled: () => this.sampled,
      record: () => undefined,
      export: (spans: readonly FinishedSpan[]) => {
        const failure = this.fail();
        if (failure !== undefined) return Promise.reject(failure);
        this.exported.push(spans.map((span) => span.spanId));
        return Promise.resolve();
      },
      flush: () => Promise.resolve(),
      shutdown: () => Promise.resolve(),
    };
    const query = (text: string, [, positions]: [number[], number[]]) => {
      if (text === OPEN_CURSORS) this.cursor ??= positions[0] ?? 0;
      else if (text === MOVE_CURSORS) this.cursor = Math.max(this.cursor ?? 0, positions[0] ?? 0);
      else throw new Error(`unexpected statement ${text}`);
      return Promise.resolve({ rows: [{ partition: 3, position: String(this.cursor) }] });
    };
    this.projection = new TraceProjection({
      clock: systemClock,
      log: { debug: () => undefined, info: () => undefined, warn: () => (this.warnings += 1), error: () => undefined },
      pool: { query } as never,
      reader: {
        readLogs: (cursors: readonly LogCursor[], limit: number, selection?: LogSelection) => {
          expect(selection).toEqual({ kind: 'execution' });
          return Promise.resolve(
            cursors.map(({ after }) => {
              const events = this.log.filter((event) => event.position > after).slice(0, limit);
              return { events, position: events.at(-1)?.position ?? after };
            }),
          );
        },
        readStreams: (ids: readonly string[]) => {
          this.histories += 1;
          return Promise.resolve(new Map(ids.map((id) => [id, this.log.filter((event) => event.executionId === id)])));
        },
      },
      configs: { find: () => Promise.resolve({ kind: 'found' as const, config }) },
      tracing,
      partitions: () => [this.partition],
      intervalMs: 5,
    });
    this.projection.owned(this.partition);
    this.projection.start();
  }

  commit(events: readonly Event[]): void {
    this.log.push(...events);
    this.partition.committedPosition = this.log.at(-1)?.position ?? 0;
  }

  /** Resolves when the cursor has reached the position. */
  async cursorAt(position: number): Promise<void> {
    await eventually(
      () => {
        if (this.cursor !== position) throw new Error(`cursor at ${this.cursor}`);
      },
      { describe: `the cursor is at ${position}` },
    );
  }

  get spans(): string[] {
    return this.exported.flat();
  }
}

describe('the projection of traces', () => {
  test('exports every span once while nothing fails', async () => {
    const around = new Surroundings();
    for (const event of LOG) {
      around.commit([event]);
      await around.cursorAt(event.position);
    }
    await around.projection.stop();
    expect(around.spans).toEqual(expectedSpans());
    expect(around.projection.lag).toBe(0);
    // The trace stayed open between the rounds.
    expect(around.histories).toBe(0);
  });

  test('keeps its cursor while the collector is down, and then exports the same spans', async () => {
    const around = new Surroundings();
    await around.cursorAt(0);
    let failures = 0;
    around.fail = () => (++failures <= 2 ? new Error('down') : undefined);
    around.commit(LOG);
    expect(around.projection.lag).toBe(LOG.length);
    await around.cursorAt(LOG.length);
    await around.projection.stop();
    expect(failures).toBe(3);
    expect(around.warnings).toBe(2);
    expect(around.spans).toEqual(expectedSpans());
  });

  test('loses nothing to an owner that dies, wherever it dies', async () => {
    for (let dies = 1; dies < LOG.length; dies += 3) {
      const first = new Surroundings();
      first.commit(LOG.slice(0, dies));
      await first.cursorAt(dies);
      // It commits, and ends before it has exported any of it.
      first.fail = () => new Error('dead');
      first.commit(LOG.slice(dies, dies + 1));
      await first.projection.stop();
      const second = new Surroundings(first);
      second.commit(LOG.slice(dies + 1));
      await second.cursorAt(LOG.length);
      await second.projection.stop();
      expect([...new Set([...first.spans, ...second.spans])].sort()).toEqual(expectedSpans().sort());
    }
  });

  test('goes on past spans that the collector refuses for good', async () => {
    const around = new Surroundings();
    around.fail = () => new SpansRefusedError('400');
    around.commit(LOG);
    await around.cursorAt(LOG.length);
    await around.projection.stop();
    expect(around.spans).toEqual([]);
  });

  test('exports nothing of the time before it was turned on', async () => {
    const later = new Surroundings({ log: LOG.slice(0, 3), cursor: undefined });
    await later.cursorAt(3);
    later.commit(LOG.slice(3));
    await later.cursorAt(LOG.length);
    await later.projection.stop();
    const all = expectedSpans();
    expect(later.spans).not.toContain(all[0]);
    // The root ends later, so it is there with its original start.
    expect(later.spans).toContain(all.at(-1));
  });

  test('reads no histories for executions that are not sampled', async () => {
    const around = new Surroundings();
    around.sampled = false;
    for (const event of LOG) {
      around.commit([event]);
      await around.cursorAt(event.position);
    }
    await around.projection.stop();
    expect(around.spans).toEqual([]);
    expect(around.histories).toBe(0);
  });
});
