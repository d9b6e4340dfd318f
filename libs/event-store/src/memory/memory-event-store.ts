import type { Event, EventType, ExecutionStarted, JsonObject } from '@batuta/contracts';
import type { ChainedEvent } from '../chain.js';
import { encodeJson } from '../encode-json.js';
import { DELETED_STATUS, LANE_STATEMENTS } from '../port.js';
import { isExecutionEvent, readableEvent } from '../upcast.js';
import type {
  AgentCopy,
  ChainEnd,
  CommitLane,
  CommitOutcome,
  CommitRequest,
  DeletedExecution,
  DueExecution,
  EventStore,
  ExecutionProgress,
  ExecutionRow,
  FencedPartition,
  LogCursor,
  LogPage,
  NewestEvent,
  OwnershipView,
  PartitionRecord,
  RemovedHistory,
  RemovedLink,
  RestoreOutcome,
  Start,
  StreamRow,
} from '../port.js';

interface PartitionState {
  owner: string | null;
  epoch: number;
  lastPosition: number;
  publishedPosition: number;
}

type StoredRow = Omit<ExecutionRow, 'progress'> & { progress: ExecutionProgress };

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** PostgreSQL's code for a violated unique index. This store uses it too, so that callers need only one branch. */
const UNIQUE_VIOLATION = '23505';

/**
 * The event store in memory, for the simulation: the same contract without durability. `now` is the store's clock in
 * epoch ms. A commit takes effect in one step, so a simulation can put faults before, after or around it.
 */
export class MemoryEventStore implements EventStore {
  readonly #now: () => number;
  #partitionCount: number | undefined;
  readonly #partitions = new Map<number, PartitionState>();
  readonly #owners = new Map<string, { incarnation: string; leaseUntil: number }>();
  readonly #executions = new Map<string, Event[]>();
  readonly #logs = new Map<number, Event[]>();
  /** The links of each execution's stored events, in the order of versions. */
  readonly #links = new Map<string, string[]>();
  readonly #lastRemoved = new Map<string, RemovedLink>();
  readonly #rows = new Map<string, StoredRow>();
  readonly #streams = new Map<string, StreamRow>();
  readonly #configs = new Map<string, string>();
  readonly #agents = new Map<string, string>();

  constructor(now: () => number) {
    this.#now = now;
  }

  openLane(): CommitLane {
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
        inTurn(() => new Set(partitions.filter((item) => this.#holds(item)).map((item) => item.partition))),
      close: () => Promise.resolve(),
    };
  }

  async ping(): Promise<void> {
    await Promise.resolve();
  }

  async close(): Promise<void> {
    await Promise.resolve();
  }

  async fixPartitionCount(wanted: number): Promise<number> {
    await Promise.resolve();
    this.#partitionCount ??= wanted;
    for (let partition = 0; partition < this.#partitionCount; partition++) {
      if (!this.#partitions.has(partition)) {
        this.#partitions.set(partition, { owner: null, epoch: 0, lastPosition: 0, publishedPosition: 0 });
      }
    }
    return this.#partitionCount;
  }

  async register(owner: string, incarnation: string, leaseMs: number): Promise<void> {
    await Promise.resolve();
    this.#owners.set(owner, { incarnation, leaseUntil: this.#now() + leaseMs });
  }

  async renew(owner: string, incarnation: string, leaseMs: number): Promise<boolean> {
    await Promise.resolve();
    const lease = this.#owners.get(owner);
    if (lease?.incarnation !== incarnation) return false;
    lease.leaseUntil = this.#now() + leaseMs;
    return true;
  }

  time(): Promise<number> {
    return Promise.resolve(this.#now());
  }

  async resign(owner: string, incarnation: string): Promise<void> {
    await Promise.resolve();
    if (this.#owners.get(owner)?.incarnation !== incarnation) return;
    this.#owners.delete(owner);
    for (const state of this.#partitions.values()) {
      if (state.owner === owner) state.owner = null;
    }
  }

  async view(): Promise<OwnershipView> {
    await Promise.resolve();
    return {
      partitions: [...this.#partitions.keys()].sort((a, b) => a - b).map((partition) => this.#record(partition)),
      liveOwners: [...this.#owners.keys()].filter((name) => this.#alive(name)).sort(),
    };
  }

  async claim(
    owner: string,
    incarnation: string,
    wanted: readonly { readonly partition: number; readonly epoch: number }[],
  ): Promise<PartitionRecord[]> {
    await Promise.resolve();
    if (this.#owners.get(owner)?.incarnation !== incarnation || !this.#alive(owner)) return [];
    const taken: PartitionRecord[] = [];
    for (const { partition, epoch } of wanted) {
      const state = this.#partitions.get(partition);
      if (state === undefined || state.epoch !== epoch) continue;
      state.owner = owner;
      state.epoch += 1;
      taken.push(this.#record(partition));
    }
    return taken.sort((a, b) => a.partition - b.partition);
  }

  async release(owner: string, partitions: readonly FencedPartition[]): Promise<void> {
    await Promise.resolve();
    for (const item of partitions) {
      const state = this.#partitions.get(item.partition);
      if (state === undefined || state.owner !== owner || state.epoch !== item.epoch) continue;
      state.owner = null;
      state.publishedPosition = Math.max(state.publishedPosition, item.publishedPosition);
    }
  }

  async publish(partitions: readonly FencedPartition[]): Promise<void> {
    await Promise.resolve();
    for (const item of partitions) {
      const state = this.#partitions.get(item.partition);
      if (state?.epoch === item.epoch) {
        state.publishedPosition = Math.max(state.publishedPosition, item.publishedPosition);
      }
    }
  }

  async readExecutions(ids: readonly string[]): Promise<Map<string, Event[]>> {
    await Promise.resolve();
    return new Map(ids.flatMap((id) => (this.#executions.has(id) ? [[id, [...this.#eventsOf(id)]]] : [])));
  }

  async readEvents(executionId: string, fromVersion: number, limit: number): Promise<Event[]> {
    await Promise.resolve();
    return this.#eventsOf(executionId)
      .filter(({ version }) => version >= fromVersion)
      .slice(0, limit);
  }

  async readNewest(ids: readonly string[]): Promise<(NewestEvent | undefined)[]> {
    await Promise.resolve();
    return ids.map((id) => {
      const newest = this.#eventsOf(id).at(-1);
      return newest === undefined ? undefined : { version: newest.version, type: newest.type };
    });
  }

  async readChainEnds(ids: readonly string[]): Promise<Map<string, ChainEnd>> {
    await Promise.resolve();
    const ends = new Map<string, ChainEnd>();
    for (const id of ids) {
      const version = this.#eventsOf(id).at(-1)?.version;
      if (version !== undefined) ends.set(id, { version, link: this.#links.get(id)?.at(-1) ?? '' });
    }
    return ends;
  }

  async readChain(executionId: string, fromVersion: number, limit: number): Promise<ChainedEvent[]> {
    const links = this.#links.get(executionId) ?? [];
    const first = this.#eventsOf(executionId)[0]?.version ?? 1;
    return (await this.readEvents(executionId, fromVersion, limit)).map((event) => {
      const { version, partition, position, at, type, commandId, data } = event;
      const link = links[version - first] ?? null;
      return { version, partition, position, at, type, commandId, data: data as unknown as JsonObject, link };
    });
  }

  async readStarts(ids: readonly string[]): Promise<Map<string, Start>> {
    await Promise.resolve();
    const starts = new Map<string, Start>();
    for (const id of ids) {
      const [first] = this.#eventsOf(id);
      if (first?.version !== 1) continue;
      const { input: _input, metadata: _metadata, ...start } = first.data as ExecutionStarted;
      starts.set(id, start);
    }
    return starts;
  }

  async readLogs(
    cursors: readonly LogCursor[],
    limit: number,
    types: readonly EventType[],
    onlyCalledBackStarts = false,
  ): Promise<LogPage[]> {
    await Promise.resolve();
    return cursors.map(({ partition, after }) => {
      const log = this.#logs.get(partition) ?? [];
      const { lastPosition } = this.#state(partition);
      const matching = log
        .filter(({ position }) => position > after)
        .filter(isExecutionEvent)
        .filter((event) => types.length === 0 || types.includes(event.type))
        .filter((event) => !onlyCalledBackStarts || event.type !== 'ExecutionStarted' || event.data.callbackUrl);
      const events = matching.slice(0, limit);
      const position = events.length < limit ? Math.max(lastPosition, after) : (events.at(-1)?.position ?? after);
      return { events, position };
    });
  }

  async executionsAfter(
    partition: number,
    position: number,
    limit: number,
  ): Promise<{ id: string; position: number }[]> {
    await Promise.resolve();
    const found = new Map<string, number>();
    for (const event of this.#logs.get(partition) ?? []) {
      if (event.position > position && !found.has(event.executionId)) found.set(event.executionId, event.position);
    }
    return [...found].slice(0, limit).map(([id, first]) => ({ id, position: first }));
  }

  async readDue(partitions: readonly number[], until: number, limit: number): Promise<DueExecution[]> {
    await Promise.resolve();
    return [...this.#unfinished(partitions), ...this.#dueStreams(partitions)]
      .filter((due) => due.wakeAt <= until)
      .sort((a, b) => a.wakeAt - b.wakeAt)
      .slice(0, limit);
  }

  async nextDue(partitions: readonly number[]): Promise<number | undefined> {
    await Promise.resolve();
    const times = [...this.#unfinished(partitions), ...this.#dueStreams(partitions)].map((due) => due.wakeAt);
    return times.length === 0 ? undefined : times.reduce((a, b) => Math.min(a, b));
  }

  async readUnfinished(partition: number, afterId: string | undefined, limit: number): Promise<string[]> {
    await Promise.resolve();
    return this.#unfinished([partition])
      .map((due) => due.id)
      .sort()
      .filter((id) => afterId === undefined || id > afterId)
      .slice(0, limit);
  }

  async readDeleted(partitions: readonly number[], limit: number): Promise<DeletedExecution[]> {
    await Promise.resolve();
    const wanted = new Set(partitions);
    return [...this.#rows.values()]
      .filter(({ partition, progress }) => progress.status === DELETED_STATUS && wanted.has(partition))
      .slice(0, limit)
      .map(({ id, partition }) => ({ id, partition, position: this.#eventsOf(id).at(-1)?.position ?? 0 }));
  }

  async removeHistory(ids: readonly string[]): Promise<string[]> {
    await Promise.resolve();
    const gone = ids.filter((id) => this.#rows.get(id)?.progress.status === DELETED_STATUS);
    for (const id of gone) this.#removeHistory(id);
    return gone;
  }

  async restoreHistory({ executionId, events, row }: RemovedHistory): Promise<RestoreOutcome> {
    await Promise.resolve();
    const [first, ...others] = this.#eventsOf(executionId);
    if (first !== undefined && first.type !== 'ExecutionDeleted') return 'present';
    const last = events.findLast(({ link }) => (link ?? '') !== '');
    const kept = this.#lastRemoved.get(executionId);
    const isWhole = first?.version === row.progress.version && events.length === first.version - 1;
    if (!isWhole || others.length > 0 || kept?.link !== last?.link) return 'different';
    const back = events.map((each) => readableEvent(executionId, each));
    this.#executions.set(executionId, [...back, first]);
    this.#links.set(executionId, [...events.map(({ link }) => link ?? ''), ...(this.#links.get(executionId) ?? [])]);
    this.#lastRemoved.delete(executionId);
    this.#rows.set(executionId, { ...row });
    const log = [...(this.#logs.get(row.partition) ?? []), ...back];
    this.#logs.set(
      row.partition,
      log.sort((a, b) => a.position - b.position),
    );
    return 'restored';
  }

  async readLastRemoved(executionId: string): Promise<RemovedLink | undefined> {
    await Promise.resolve();
    return this.#lastRemoved.get(executionId);
  }

  async readConfig(configId: string, version: number): Promise<JsonObject | undefined> {
    await Promise.resolve();
    const text = this.#configs.get(`${configId}/${version}`);
    return text === undefined ? undefined : (JSON.parse(text) as JsonObject);
  }

  async writeConfig(configId: string, version: number, _tenantId: string, definition: JsonObject): Promise<void> {
    await Promise.resolve();
    const key = `${configId}/${version}`;
    if (!this.#configs.has(key)) this.#configs.set(key, encodeJson(definition));
  }

  async readAgent(tenantId: string, name: string): Promise<AgentCopy | undefined> {
    await Promise.resolve();
    const text = this.#agents.get(`${tenantId}/${name}`);
    return text === undefined ? undefined : (JSON.parse(text) as AgentCopy);
  }

  async writeAgent(tenantId: string, name: string, agent: AgentCopy): Promise<void> {
    await Promise.resolve();
    this.#agents.set(`${tenantId}/${name}`, encodeJson(agent));
  }

  /** A partition's events after a position, of streams of every kind. For the checks of a simulation. */
  eventsAfter(partition: number, position: number): readonly Event[] {
    return (this.#logs.get(partition) ?? []).filter((event) => event.position > position);
  }

  /** The row of a stream that is not an execution. */
  streamRow(id: string): StreamRow | undefined {
    return this.#streams.get(id);
  }

  /** The row of an execution. For the checks of a simulation. */
  executionRow(id: string): ExecutionRow | undefined {
    return this.#rows.get(id);
  }

  #commit(request: CommitRequest): CommitOutcome {
    const held = new Map<number, number>();
    for (const item of request.partitions) {
      if (!this.#holds(item)) continue;
      const { lastPosition } = this.#state(item.partition);
      if (lastPosition === item.lastPosition) held.set(item.partition, lastPosition);
    }
    const problem = this.#violation(request, held);
    if (problem !== undefined) return problem;
    for (const item of request.partitions) {
      if (!held.has(item.partition)) continue;
      const state = this.#state(item.partition);
      state.publishedPosition = Math.max(state.publishedPosition, item.publishedPosition);
    }
    for (const event of request.events) {
      if (held.has(event.partition)) this.#append(event);
    }
    for (const row of request.started) {
      if (held.has(row.partition)) this.#rows.set(row.id, { ...row });
    }
    for (const change of request.changed) {
      const row = this.#rows.get(change.id);
      if (held.has(change.partition) && row !== undefined) row.progress = change.progress;
    }
    for (const row of request.streams ?? []) {
      if (held.has(row.partition)) this.#streams.set(row.id, row);
    }
    return { kind: 'committed', held };
  }

  #removeHistory(id: string): void {
    const row = this.#rows.get(id);
    const links = this.#links.get(id) ?? [];
    const before = this.#eventsOf(id).slice(0, -1);
    for (const [place, { partition, position }] of before.entries()) {
      const link = links[place] ?? '';
      if (link !== '') this.#lastRemoved.set(id, { partition, position, link });
    }
    const left = this.#eventsOf(id).slice(-1);
    this.#executions.set(id, left);
    this.#links.set(id, links.slice(-1));
    this.#rows.delete(id);
    if (row === undefined) return;
    const log = this.#logs.get(row.partition) ?? [];
    this.#logs.set(
      row.partition,
      log.filter((event) => event.executionId !== id || left.includes(event)),
    );
  }

  #append(event: CommitRequest['events'][number]): void {
    const state = this.#state(event.partition);
    state.lastPosition += 1;
    const stored = {
      executionId: event.executionId,
      version: event.version,
      type: event.type,
      at: event.at,
      commandId: event.commandId,
      position: state.lastPosition,
      partition: event.partition,
      data: JSON.parse(event.data) as JsonObject,
    } as unknown as Event;
    const log = this.#logs.get(event.partition);
    if (log === undefined) this.#logs.set(event.partition, [stored]);
    else log.push(stored);
    const links = this.#links.get(event.executionId);
    if (links === undefined) this.#links.set(event.executionId, [event.link]);
    else links.push(event.link);
    const history = this.#executions.get(event.executionId);
    if (history === undefined) this.#executions.set(event.executionId, [stored]);
    else history.push(stored);
  }

  /** The violation for which a real database would refuse the whole statement. */
  #violation(request: CommitRequest, held: ReadonlyMap<number, number>): CommitOutcome | undefined {
    const seen = new Set<string>();
    for (const event of request.events) {
      if (!held.has(event.partition)) continue;
      if (!UUID.test(event.executionId)) return rejected('22P02', `invalid uuid ${event.executionId}`);
      const key = `${event.executionId}/${event.version}`;
      if (seen.has(key) || (this.#eventsOf(event.executionId).at(-1)?.version ?? 0) >= event.version) {
        return rejected(UNIQUE_VIOLATION, `event ${key} exists`);
      }
      seen.add(key);
    }
    for (const row of request.started) {
      if (!held.has(row.partition)) continue;
      const taken = [...this.#rows.values()].some((other) => other.id === row.id || other.traceId === row.traceId);
      if (taken) return rejected(UNIQUE_VIOLATION, `execution ${row.id} or its trace_id exists`);
    }
    return undefined;
  }

  #eventsOf(id: string): Event[] {
    return this.#executions.get(id) ?? [];
  }

  #holds(item: FencedPartition): boolean {
    return this.#partitions.get(item.partition)?.epoch === item.epoch;
  }

  #state(partition: number): PartitionState {
    const state = this.#partitions.get(partition);
    if (state === undefined) throw new RangeError(`there is no partition ${partition}`);
    return state;
  }

  #alive(owner: string): boolean {
    return (this.#owners.get(owner)?.leaseUntil ?? -Infinity) > this.#now();
  }

  #record(partition: number): PartitionRecord {
    const state = this.#state(partition);
    return { partition, ...state, ownerAlive: state.owner !== null && this.#alive(state.owner) };
  }

  #dueStreams(partitions: readonly number[]): DueExecution[] {
    return [...this.#streams.values()].flatMap(({ id, partition, wakeAt }) =>
      wakeAt !== null && partitions.includes(partition) ? [{ id, partition, wakeAt: Math.floor(wakeAt) }] : [],
    );
  }

  #unfinished(partitions: readonly number[]): DueExecution[] {
    const wanted = new Set(partitions);
    const found: DueExecution[] = [];
    for (const row of this.#rows.values()) {
      const { wakeAt } = row.progress;
      if (wakeAt !== null && wanted.has(row.partition)) {
        found.push({ id: row.id, partition: row.partition, wakeAt: Math.floor(wakeAt) });
      }
    }
    return found;
  }
}

function rejected(code: string, message: string): CommitOutcome {
  return { kind: 'rejected', code, message, transient: false };
}
