import type { JsonObject, JsonValue } from '@batuta/contracts';
import type { ChainedEvent } from '../chain.js';
import { StreamKinds } from '../kinds.js';
import type { StreamKind } from '../kinds.js';
import { LANE_STATEMENTS } from '../port.js';
import { MemoryOwnership } from './memory-ownership.js';
import { MemorySnapshots } from './memory-snapshots.js';
import type {
  ChainEnd,
  CommitLane,
  CommitOutcome,
  CommitRequest,
  DueStream,
  EventStore,
  FencedPartition,
  LogCursor,
  LogEvent,
  LogPage,
  LogSelection,
  NewEvent,
  NewestEvent,
  OwnershipView,
  PartitionRecord,
  RemovedLink,
  Snapshot,
  SnapshotStore,
  StreamRow,
  WantedPartition,
} from '../port.js';

/** How the memory keeps the rows that kinds of streams have beside their events. */
export interface MemoryRows<Rows> {
  /** Why a real database would refuse the whole statement. `held`: the partitions whose rows are written. */
  violation(rows: Rows, held: ReadonlySet<number>): CommitRefusal | undefined;
  write(rows: Rows, held: ReadonlySet<number>): void;
  /** Streams of these partitions that wake up. */
  due(partitions: readonly number[]): DueStream[];
}

export interface CommitRefusal {
  /** PostgreSQL's code. */
  readonly code: string;
  readonly message: string;
}

/** What a store in memory holds. */
export interface MemoryStreams<Rows> {
  readonly kinds: readonly StreamKind[];
  /** Default: no kind has rows beside its events. */
  readonly rows?: MemoryRows<Rows>;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** PostgreSQL's code for a violated unique index. This store uses it too, so that callers need only one branch. */
export const UNIQUE_VIOLATION = '23505';

/**
 * The event store in memory, for the simulation: the same contract without durability. `now` is the store's clock in
 * epoch ms. A commit takes effect in one step, so a simulation can put faults before, after or around it.
 */
export class MemoryEventStore<E extends LogEvent = LogEvent, Rows = unknown>
  implements EventStore<E, Rows>, SnapshotStore
{
  readonly #ownership: MemoryOwnership;
  readonly #histories = new Map<string, E[]>();
  readonly #logs = new Map<number, E[]>();
  /** The links of each stream's stored events, in the order of versions. */
  readonly #links = new Map<string, string[]>();
  readonly #lastRemoved = new Map<string, RemovedLink>();
  readonly #streams = new Map<string, StreamRow>();
  readonly #snapshots = new MemorySnapshots((id, version) =>
    this.eventsOf(id).some((event) => event.version === version),
  );
  readonly #kinds: StreamKinds;
  readonly #rows: MemoryRows<Rows> | undefined;

  constructor(now: () => number, { kinds, rows }: MemoryStreams<Rows>) {
    this.#ownership = new MemoryOwnership(now);
    this.#kinds = new StreamKinds(kinds);
    this.#rows = rows;
  }

  openLane(): CommitLane<Rows> {
    let inFlight = 0;
    // Statements run one after the other, because each waits for one microtask.
    const inTurn = async <T>(work: () => T): Promise<T> => {
      if (inFlight >= LANE_STATEMENTS) throw new Error(`a lane has ${LANE_STATEMENTS} statements in flight`);
      inFlight += 1;
      try {
        await Promise.resolve();
        return work();
      } finally {
        inFlight -= 1;
      }
    };
    return {
      commit: (request) => inTurn(() => this.#commit(request)),
      heldEpochs: (partitions) =>
        inTurn(() => new Set(partitions.filter((item) => this.#ownership.holds(item)).map((item) => item.partition))),
      close: () => Promise.resolve(),
    };
  }

  async ping(): Promise<void> {
    await Promise.resolve();
  }

  async close(): Promise<void> {
    await Promise.resolve();
  }

  fixPartitionCount(wanted: number): Promise<number> {
    return this.#ownership.fixPartitionCount(wanted);
  }

  register(owner: string, incarnation: string, leaseMs: number): Promise<void> {
    return this.#ownership.register(owner, incarnation, leaseMs);
  }

  renew(owner: string, incarnation: string, leaseMs: number): Promise<boolean> {
    return this.#ownership.renew(owner, incarnation, leaseMs);
  }

  time(): Promise<number> {
    return this.#ownership.time();
  }

  resign(owner: string, incarnation: string): Promise<void> {
    return this.#ownership.resign(owner, incarnation);
  }

  view(): Promise<OwnershipView> {
    return this.#ownership.view();
  }

  claim(owner: string, incarnation: string, wanted: readonly WantedPartition[]): Promise<PartitionRecord[]> {
    return this.#ownership.claim(owner, incarnation, wanted);
  }

  release(owner: string, partitions: readonly FencedPartition[]): Promise<void> {
    return this.#ownership.release(owner, partitions);
  }

  publish(partitions: readonly FencedPartition[]): Promise<void> {
    return this.#ownership.publish(partitions);
  }

  async readStreams(ids: readonly string[]): Promise<Map<string, E[]>> {
    await Promise.resolve();
    return new Map(ids.flatMap((id) => (this.#histories.has(id) ? [[id, [...this.eventsOf(id)]]] : [])));
  }

  async readEvents(id: string, fromVersion: number, limit: number): Promise<E[]> {
    await Promise.resolve();
    return this.eventsOf(id)
      .filter(({ version }) => version >= fromVersion)
      .slice(0, limit);
  }

  async readNewest(ids: readonly string[]): Promise<(NewestEvent | undefined)[]> {
    await Promise.resolve();
    return ids.map((id) => {
      const newest = this.eventsOf(id).at(-1);
      return newest === undefined ? undefined : { version: newest.version, type: newest.type };
    });
  }

  async readChainEnds(ids: readonly string[]): Promise<Map<string, ChainEnd>> {
    await Promise.resolve();
    const ends = new Map<string, ChainEnd>();
    for (const id of ids) {
      const version = this.eventsOf(id).at(-1)?.version;
      if (version !== undefined) ends.set(id, { version, link: this.#links.get(id)?.at(-1) ?? '' });
    }
    return ends;
  }

  async readChain(id: string, fromVersion: number, limit: number): Promise<ChainedEvent[]> {
    const links = this.#links.get(id) ?? [];
    const first = this.eventsOf(id)[0]?.version ?? 1;
    return (await this.readEvents(id, fromVersion, limit)).map((event) => {
      const { version, partition, position, at, type, commandId, data } = event;
      const link = links[version - first] ?? null;
      return { version, partition, position, at, type, commandId, data: data as JsonValue, link };
    });
  }

  async readLastRemoved(id: string): Promise<RemovedLink | undefined> {
    await Promise.resolve();
    return this.#lastRemoved.get(id);
  }

  async readLogs(
    cursors: readonly LogCursor[],
    limit: number,
    { kind, types = [], filter }: LogSelection = {},
  ): Promise<LogPage<E>[]> {
    await Promise.resolve();
    return cursors.map(({ partition, after }) => {
      const log = this.#logs.get(partition) ?? [];
      const { lastPosition } = this.#ownership.state(partition);
      const matching = log
        .filter(({ position }) => position > after)
        .filter(({ type }) => types.length === 0 || types.includes(type))
        .filter((event) => filter === undefined || filter.keeps(event));
      const read = matching.slice(0, limit);
      const position = read.length < limit ? Math.max(lastPosition, after) : (read.at(-1)?.position ?? after);
      const events = kind === undefined ? read : read.filter(({ type }) => this.#kinds.of(type) === kind);
      return { events, position };
    });
  }

  async streamsAfter(partition: number, position: number, limit: number): Promise<{ id: string; position: number }[]> {
    await Promise.resolve();
    const found = new Map<string, number>();
    for (const event of this.#logs.get(partition) ?? []) {
      if (event.position > position && !found.has(event.executionId)) found.set(event.executionId, event.position);
    }
    return [...found].slice(0, limit).map(([id, first]) => ({ id, position: first }));
  }

  async readDue(partitions: readonly number[], until: number, limit: number): Promise<DueStream[]> {
    await Promise.resolve();
    return this.#due(partitions)
      .filter((due) => due.wakeAt <= until)
      .sort((a, b) => a.wakeAt - b.wakeAt)
      .slice(0, limit);
  }

  async nextDue(partitions: readonly number[]): Promise<number | undefined> {
    await Promise.resolve();
    const times = this.#due(partitions).map((due) => due.wakeAt);
    return times.length === 0 ? undefined : times.reduce((a, b) => Math.min(a, b));
  }

  readSnapshots(ids: readonly string[], reducerVersion: number): Promise<Map<string, Snapshot>> {
    return this.#snapshots.readSnapshots(ids, reducerVersion);
  }

  writeSnapshot(snapshot: Snapshot): Promise<void> {
    return this.#snapshots.writeSnapshot(snapshot);
  }

  /** A partition's events after a position, of streams of every kind. For the checks of a simulation. */
  eventsAfter(partition: number, position: number): readonly E[] {
    return (this.#logs.get(partition) ?? []).filter((event) => event.position > position);
  }

  /** The row of a stream without a table of its own. */
  streamRow(id: string): StreamRow | undefined {
    return this.#streams.get(id);
  }

  /** Removes all events of a stream but the last, and its snapshot. Keeps the last removed link. */
  protected removeHistoryOf(id: string): void {
    const links = this.#links.get(id) ?? [];
    const events = this.eventsOf(id);
    for (const [place, { partition, position }] of events.slice(0, -1).entries()) {
      const link = links[place] ?? '';
      if (link !== '') this.#lastRemoved.set(id, { partition, position, link });
    }
    const left = events.slice(-1);
    this.#histories.set(id, left);
    this.#links.set(id, links.slice(-1));
    this.#snapshots.delete(id);
    for (const { partition } of left) {
      const log = this.#logs.get(partition) ?? [];
      this.#logs.set(
        partition,
        log.filter((event) => event.executionId !== id || left.includes(event)),
      );
    }
  }

  /** Puts removed events of a stream back before those that it has. `links`: one for each of them. */
  protected restoreHistoryOf(id: string, events: readonly E[], links: readonly string[]): void {
    this.#histories.set(id, [...events, ...this.eventsOf(id)]);
    this.#links.set(id, [...links, ...(this.#links.get(id) ?? [])]);
    this.#lastRemoved.delete(id);
    for (const event of events) {
      const log = this.#logs.get(event.partition) ?? [];
      const later = log.findIndex(({ position }) => position > event.position);
      this.#logs.set(event.partition, log.toSpliced(later === -1 ? log.length : later, 0, event));
    }
  }

  #commit(request: CommitRequest<Rows>): CommitOutcome {
    const held = new Map<number, number>();
    for (const item of request.partitions) {
      if (!this.#ownership.holds(item)) continue;
      const { lastPosition } = this.#ownership.state(item.partition);
      if (lastPosition === item.lastPosition) held.set(item.partition, lastPosition);
    }
    const partitions = new Set(held.keys());
    const problem = this.#violation(request, partitions) ?? this.#rows?.violation(request, partitions);
    if (problem !== undefined) return { kind: 'rejected', ...problem, transient: false };
    for (const item of request.partitions) {
      if (!held.has(item.partition)) continue;
      const state = this.#ownership.state(item.partition);
      state.publishedPosition = Math.max(state.publishedPosition, item.publishedPosition);
    }
    for (const event of request.events) {
      if (held.has(event.partition)) this.#append(event);
    }
    this.#rows?.write(request, partitions);
    for (const row of request.streams ?? []) {
      if (held.has(row.partition)) this.#streams.set(row.id, row);
    }
    return { kind: 'committed', held };
  }

  #append(event: NewEvent): void {
    const state = this.#ownership.state(event.partition);
    state.lastPosition += 1;
    const found: LogEvent = {
      executionId: event.executionId,
      version: event.version,
      type: event.type,
      at: event.at,
      commandId: event.commandId,
      position: state.lastPosition,
      partition: event.partition,
      data: JSON.parse(event.data) as JsonObject,
    };
    const stored = found as E;
    const log = this.#logs.get(event.partition);
    if (log === undefined) this.#logs.set(event.partition, [stored]);
    else log.push(stored);
    const links = this.#links.get(event.executionId);
    if (links === undefined) this.#links.set(event.executionId, [event.link]);
    else links.push(event.link);
    const history = this.#histories.get(event.executionId);
    if (history === undefined) this.#histories.set(event.executionId, [stored]);
    else history.push(stored);
  }

  /** Why a real database would refuse the whole statement. */
  #violation({ events }: CommitRequest, held: ReadonlySet<number>): CommitRefusal | undefined {
    const seen = new Set<string>();
    for (const event of events) {
      if (!held.has(event.partition)) continue;
      if (!UUID.test(event.executionId)) return { code: '22P02', message: `invalid uuid ${event.executionId}` };
      const key = `${event.executionId}/${event.version}`;
      if (seen.has(key) || (this.eventsOf(event.executionId).at(-1)?.version ?? 0) >= event.version) {
        return { code: UNIQUE_VIOLATION, message: `event ${key} exists` };
      }
      seen.add(key);
    }
    return undefined;
  }

  protected eventsOf(id: string): readonly E[] {
    return this.#histories.get(id) ?? [];
  }

  #due(partitions: readonly number[]): DueStream[] {
    const due = this.#rows?.due(partitions) ?? [];
    for (const { id, partition, wakeAt } of this.#streams.values()) {
      if (wakeAt !== null && partitions.includes(partition)) due.push({ id, partition, wakeAt: Math.floor(wakeAt) });
    }
    return due;
  }
}
