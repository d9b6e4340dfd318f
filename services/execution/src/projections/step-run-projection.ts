import { SlotMap } from '@batuta/collections';
import { UnreadableEventError } from '@batuta/event-store';
import pg from 'pg';
import type { Pool } from 'pg';
import type { ExecutionReader } from '../store/port.js';
import { isTerminal } from '../domain/index.js';
import type { State } from '../domain/index.js';
import type { ExecutionChanges } from '../partitions/lane/batch.js';
import type { LoadedExecution } from '../partitions/lane/execution-loader.js';
import type { Partition } from '../partitions/lane/partition.js';
import type { Clock, EngineLog } from '../partitions/ports/ports.js';
import {
  ADD_STEP_RUNS,
  ADD_UNPROJECTED,
  PROJECT_STEP_RUNS,
  READ_CURSOR,
  READ_UNPROJECTED,
  REMOVE_UNPROJECTED,
} from './sql/step-runs.js';
import { StepRunColumns } from './step-run-columns.js';

interface Pending {
  readonly base: State | undefined;
  state: State;
  readonly partition: Partition;
  /** Position of the first event that is not projected. */
  readonly since: number;
  /** The round in which it came. */
  readonly round: number;
}

type Entry = readonly [id: string, pending: Pending];
type Cursors = readonly { readonly partition: Partition; readonly position: number }[];

/** What is written of an execution: the steps that changed since `base`, or all of them without it. */
type Projected = Pick<Pending, 'base' | 'state'>;

interface StepRunProjectionParts {
  readonly clock: Clock;
  readonly log: EngineLog;
  readonly pool: Pool;
  readonly reader: ExecutionReader;
  readonly load: (id: string) => Promise<LoadedExecution | undefined>;
  readonly partitions: () => readonly Partition[];
  readonly intervalMs: number;
}

const CATCH_UP_PAGE = 200;
/** Executions in one statement. When there are this many ended ones, they are written and leave memory. */
const CHUNK = 100;
const UNIQUE_VIOLATION = '23505';
const CANNOT_PROJECT = 'step runs cannot be projected now';
/** Further executions wait only in the log. */
const MOST_PENDING = 20_000;

/**
 * Projects step runs from commits, in bulk: one write covers everything that happened to an execution meanwhile. New
 * changes wait for the next round, unless the execution has ended, so an execution that ends by then is written once.
 * Each partition's cursor is committed together with its rows. When a partition is taken, the events between cursor and
 * end of the log are read.
 */
export class StepRunProjection {
  readonly #parts: StepRunProjectionParts;
  readonly #pending = new SlotMap<string, Pending>();
  /** Partitions whose log is read first, up to a position. Their cursors do not move meanwhile. */
  readonly #behind = new Map<Partition, number>();
  #cancel: (() => void) | undefined;
  #running: Promise<void> = Promise.resolve();
  /** Ended executions among the pending ones. */
  #ended = 0;
  #writingEnded = false;
  #stopped = false;
  #round = 0;
  readonly #written = new Map<Partition, number>();

  constructor(parts: StepRunProjectionParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#schedule();
  }

  /** Committed events of owned partitions that the stored cursors do not cover. */
  get lag(): number {
    let lag = 0;
    for (const partition of this.#parts.partitions()) {
      const written = this.#written.get(partition);
      if (written !== undefined) lag += Math.max(0, partition.committedPosition - written);
    }
    return lag;
  }

  /** The position up to which a partition is written. */
  written(partition: Partition): number {
    return this.#written.get(partition) ?? 0;
  }

  /** Writes the pending rest. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#running;
    await this.flush();
  }

  /** A partition was taken. */
  owned(partition: Partition): void {
    this.#behind.set(partition, partition.committedPosition);
  }

  committed(changes: ExecutionChanges): void {
    const { id, partition } = changes.execution;
    const pending = this.#pending.get(id);
    if (pending !== undefined) {
      pending.state = changes.state;
    } else if (this.#pending.size >= MOST_PENDING) {
      this.#pending.clear();
      this.#ended = 0;
      for (const partition of this.#parts.partitions()) this.#behind.set(partition, Infinity);
      return;
    } else {
      const { base, state, events } = changes;
      this.#pending.set(id, { base, state, partition, since: events[0]?.position ?? Infinity, round: this.#round });
    }
    if (!isTerminal(changes.state.status)) return;
    this.#ended += 1;
    // A stopping projection writes the rest itself. No other write may run then, because its cursors cover everything.
    if (this.#ended >= CHUNK && !this.#writingEnded && !this.#stopped) this.#writeEnded();
  }

  /** Ended executions do not change any more, so a full statement of them is written at once and leaves memory. */
  #writeEnded(): void {
    this.#writingEnded = true;
    this.#running = this.#running
      .then(async () => {
        const ended = [...this.#pending].filter(([, { state }]) => isTerminal(state.status));
        for (const [id] of ended) this.#pending.delete(id);
        this.#ended = 0;
        await this.#writeAll(ended, []);
      })
      .catch((error: unknown) => this.#parts.log.warn({ err: error }, CANNOT_PROJECT))
      .finally(() => {
        this.#writingEnded = false;
      });
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#cancel = this.#parts.clock.after(this.#parts.intervalMs, () => {
      this.#running = this.#running.then(() => this.#pass()).then(() => this.#schedule());
    });
  }

  async #pass(): Promise<void> {
    try {
      for (const [partition, end] of this.#behind) await this.#catchUp(partition, end);
      const round = this.#round;
      this.#round += 1;
      await this.#flush(({ state, round: since }) => since < round || isTerminal(state.status));
    } catch (error) {
      this.#parts.log.warn({ err: error }, CANNOT_PROJECT);
    }
  }

  /** Writes everything that is pending. Throws the errors of PostgreSQL; unwritten changes stay pending. */
  flush(): Promise<void> {
    return this.#flush(() => true);
  }

  async #flush(due: (pending: Pending) => boolean): Promise<void> {
    const entries = [...this.#pending].filter(([, pending]) => due(pending));
    for (const [id] of entries) this.#pending.delete(id);
    this.#ended = 0;
    const cursors = this.#cursors();
    if (entries.length === 0 && (cursors.length === 0 || this.#stopped)) return;
    await this.#writeAll(entries, cursors);
    for (const { partition, position } of cursors) {
      if (partition.owned) this.#written.set(partition, position);
      else this.#written.delete(partition);
    }
  }

  /**
   * How far each partition is projected when everything except the pending executions is written, if this has changed.
   */
  #cursors(): Cursors {
    const pendingFrom = new Map<Partition, number>();
    for (const [, { partition, since }] of this.#pending) {
      pendingFrom.set(partition, Math.min(since, pendingFrom.get(partition) ?? Infinity));
    }
    return this.#parts
      .partitions()
      .filter((partition) => !this.#behind.has(partition))
      .map((partition) => {
        const position = Math.min(partition.committedPosition, (pendingFrom.get(partition) ?? Infinity) - 1);
        return { partition, position };
      })
      .filter(({ partition, position }) => position > (this.#written.get(partition) ?? -1));
  }

  /** Writes in statements of limited size, with the cursors in the last one. Unwritten changes become pending again. */
  async #writeAll(entries: Entry[], cursors: Cursors): Promise<void> {
    // The table has no rows yet for executions that began since.
    const left = [
      entries.filter(([, { base }]) => base === undefined),
      entries.filter(([, { base }]) => base !== undefined),
    ];
    const [added = [], changed = []] = left;
    try {
      for (; added.length > 0; added.splice(0, CHUNK)) await this.#add(added.slice(0, CHUNK));
      for (; changed.length > CHUNK; changed.splice(0, CHUNK)) await this.#write(changed.slice(0, CHUNK), []);
      if (changed.length > 0 || cursors.length > 0) await this.#write(changed, cursors);
    } catch (error) {
      for (const [id, pending] of left.flat()) {
        this.#pending.set(id, { ...pending, state: this.#pending.get(id)?.state ?? pending.state });
      }
      throw error;
    }
  }

  /** Adds step runs of executions that the table should not have yet. If it has them, updates them like `#write`. */
  async #add(entries: readonly Entry[]): Promise<void> {
    const { values } = columnsOf(entries);
    try {
      await this.#parts.pool.query({ name: 'add-step-runs', text: ADD_STEP_RUNS, values });
    } catch (error) {
      // An earlier write had an unknown outcome, or another process owned the partition in between.
      if (!(error instanceof pg.DatabaseError) || error.code !== UNIQUE_VIOLATION) throw error;
      await this.#write(entries, []);
    }
  }

  async #write(entries: readonly (readonly [string, Projected])[], cursors: Cursors): Promise<void> {
    await this.#parts.pool.query({
      name: 'project-step-runs',
      text: PROJECT_STEP_RUNS,
      values: [
        ...columnsOf(entries).values,
        cursors.map(({ partition }) => partition.id),
        cursors.map(({ position }) => position),
      ],
    });
  }

  /** Reads the events between the cursor and the log's end at the takeover. Later events were reported. */
  async #catchUp(partition: Partition, end: number): Promise<void> {
    if (!partition.owned) {
      this.#behind.delete(partition);
      this.#written.delete(partition);
      return;
    }
    const { rows } = await this.#parts.pool.query<{ position: string }>(READ_CURSOR, [partition.id]);
    let after = Number(rows[0]?.position ?? 0);
    await this.#tryUnprojected(partition);
    while (after < Math.min(end, partition.committedPosition)) {
      const page = await this.#parts.reader.streamsAfter(partition.id, after, CATCH_UP_PAGE);
      const due = page.filter(({ position }) => position <= end).map(({ id }) => id);
      const { entries, unreadable } = await this.#loadAll(due);
      if (entries.length > 0) await this.#write(entries, []);
      // The cursor passes unreadable executions, so that one of them does not delay all others.
      if (unreadable.length > 0) await this.#parts.pool.query(ADD_UNPROJECTED, [unreadable, partition.id]);
      if (page.length < CATCH_UP_PAGE || due.length < page.length) break;
      after = page.at(-1)?.position ?? after;
    }
    // If it was marked again meanwhile, it is read again.
    if (this.#behind.get(partition) === end) this.#behind.delete(partition);
  }

  /** Writes executions that were unreadable before and are readable now. */
  async #tryUnprojected(partition: Partition): Promise<void> {
    for (let after: string | null = null; ;) {
      const { rows }: { rows: { id: string }[] } = await this.#parts.pool.query(READ_UNPROJECTED, [
        partition.id,
        after,
        CATCH_UP_PAGE,
      ]);
      const { entries } = await this.#loadAll(rows.map(({ id }) => id));
      if (entries.length > 0) {
        await this.#write(entries, []);
        await this.#parts.pool.query(REMOVE_UNPROJECTED, [entries.map(([id]) => id)]);
      }
      if (rows.length < CATCH_UP_PAGE) return;
      after = rows.at(-1)?.id ?? null;
    }
  }

  async #loadAll(ids: readonly string[]): Promise<{ entries: [string, Projected][]; unreadable: string[] }> {
    const entries: [string, Projected][] = [];
    const unreadable: string[] = [];
    await Promise.all(
      ids.map(async (id) => {
        try {
          const loaded = await this.#parts.load(id);
          // A deleted execution has no rows, and its state does not have its original config.
          if (loaded !== undefined && loaded.state.deleted === undefined) {
            entries.push([id, { base: undefined, state: loaded.state }]);
          }
        } catch (error) {
          if (!(error instanceof UnreadableEventError)) throw error;
          unreadable.push(id);
        }
      }),
    );
    return { entries, unreadable };
  }
}

function columnsOf(entries: readonly (readonly [string, Projected])[]): StepRunColumns {
  const columns = new StepRunColumns();
  for (const [, { base, state }] of entries) columns.add(base, state);
  return columns;
}
