import type { Event, ExecutionStarted, JsonObject } from '@batuta/contracts';
import { MemoryEventStore, UNIQUE_VIOLATION, encodeJson } from '@batuta/event-store';
import type { CommitRefusal, DueStream, MemoryRows } from '@batuta/event-store';
import { STREAM_KINDS, readableEvent } from '../kinds.js';
import { DELETED_STATUS } from '../port.js';
import type {
  AgentCopy,
  DeletedExecution,
  ExecutionProgress,
  ExecutionRow,
  ExecutionRows,
  ExecutionStore,
  RemovedHistory,
  RestoreOutcome,
  Start,
} from '../port.js';

type StoredRow = Omit<ExecutionRow, 'progress'> & { progress: ExecutionProgress };

/** The rows of executions. */
class ExecutionTable implements MemoryRows<ExecutionRows> {
  readonly rows = new Map<string, StoredRow>();

  violation({ started }: ExecutionRows, held: ReadonlySet<number>): CommitRefusal | undefined {
    for (const row of started) {
      if (!held.has(row.partition)) continue;
      const taken = [...this.rows.values()].some((other) => other.id === row.id || other.traceId === row.traceId);
      if (taken) return { code: UNIQUE_VIOLATION, message: `execution ${row.id} or its trace_id exists` };
    }
    return undefined;
  }

  write({ started, changed }: ExecutionRows, held: ReadonlySet<number>): void {
    for (const row of started) {
      if (held.has(row.partition)) this.rows.set(row.id, { ...row });
    }
    for (const change of changed) {
      const row = this.rows.get(change.id);
      if (held.has(change.partition) && row !== undefined) row.progress = change.progress;
    }
  }

  due(partitions: readonly number[]): DueStream[] {
    const wanted = new Set(partitions);
    const found: DueStream[] = [];
    for (const row of this.rows.values()) {
      const { wakeAt } = row.progress;
      if (wakeAt !== null && wanted.has(row.partition)) {
        found.push({ id: row.id, partition: row.partition, wakeAt: Math.floor(wakeAt) });
      }
    }
    return found;
  }
}

/** The store of the execution service in memory, for the simulation. `now` is the store's clock in epoch ms. */
export class MemoryExecutionStore extends MemoryEventStore<Event, ExecutionRows> implements ExecutionStore {
  readonly #table: ExecutionTable;
  readonly #configs = new Map<string, string>();
  readonly #agents = new Map<string, string>();

  constructor(now: () => number) {
    const table = new ExecutionTable();
    super(now, { kinds: STREAM_KINDS, rows: table });
    this.#table = table;
  }

  async readStarts(ids: readonly string[]): Promise<Map<string, Start>> {
    const starts = new Map<string, Start>();
    for (const [id, [first]] of await this.readStreams(ids)) {
      if (first?.version !== 1) continue;
      const { input: _input, metadata: _metadata, ...start } = first.data as ExecutionStarted;
      starts.set(id, start);
    }
    return starts;
  }

  async readUnfinished(partition: number, afterId: string | undefined, limit: number): Promise<string[]> {
    await Promise.resolve();
    return this.#table
      .due([partition])
      .map((due) => due.id)
      .sort()
      .filter((id) => afterId === undefined || id > afterId)
      .slice(0, limit);
  }

  async readDeleted(partitions: readonly number[], limit: number): Promise<DeletedExecution[]> {
    await Promise.resolve();
    const wanted = new Set(partitions);
    return [...this.#table.rows.values()]
      .filter(({ partition, progress }) => progress.status === DELETED_STATUS && wanted.has(partition))
      .slice(0, limit)
      .map(({ id, partition }) => ({ id, partition, position: this.eventsOf(id).at(-1)?.position ?? 0 }));
  }

  async removeHistory(ids: readonly string[]): Promise<string[]> {
    await Promise.resolve();
    const gone = ids.filter((id) => this.#table.rows.get(id)?.progress.status === DELETED_STATUS);
    for (const id of gone) {
      this.removeHistoryOf(id);
      this.#table.rows.delete(id);
    }
    return gone;
  }

  async restoreHistory({ executionId, events, row }: RemovedHistory): Promise<RestoreOutcome> {
    const [first, ...others] = this.eventsOf(executionId);
    if (first !== undefined && first.type !== 'ExecutionDeleted') return 'present';
    const last = events.findLast(({ link }) => (link ?? '') !== '');
    const kept = await this.readLastRemoved(executionId);
    const isWhole = first?.version === row.progress.version && events.length === first.version - 1;
    if (!isWhole || others.length > 0 || kept?.link !== last?.link) return 'different';
    const back = events.map((each) => readableEvent(executionId, each));
    this.restoreHistoryOf(
      executionId,
      back,
      events.map(({ link }) => link ?? ''),
    );
    this.#table.rows.set(executionId, { ...row });
    return 'restored';
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

  /** The row of an execution. For the checks of a simulation. */
  executionRow(id: string): ExecutionRow | undefined {
    return this.#table.rows.get(id);
  }
}
