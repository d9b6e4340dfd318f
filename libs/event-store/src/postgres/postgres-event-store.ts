import { SEE_ALL_TENANTS } from '@batuta/contracts';
import pg from 'pg';
import type { ChainedEvent } from '../chain.js';
import type { Event, EventType, JsonObject, JsonValue } from '@batuta/contracts';
import { encodeJson } from '../encode-json.js';
import type {
  AgentCopy,
  AgentModelCopy,
  ChainEnd,
  CommitLane,
  DeletedExecution,
  DueExecution,
  EventStore,
  FencedPartition,
  LogCursor,
  LogPage,
  NewestEvent,
  OwnershipView,
  PartitionRecord,
  RemovedHistory,
  RemovedLink,
  RestoreOutcome,
  Snapshot,
  SnapshotStore,
  Start,
} from '../port.js';
import { UnreadableEventError, isExecutionEvent, upcast } from '../upcast.js';
import { PostgresCommitLane } from './commit-lane.js';
import { numericTypes } from './connection.js';
import { READ_AGENT, READ_CONFIG, WRITE_AGENT, WRITE_CONFIG } from './sql/copies.js';
import { encodeExecutionRows } from './execution-row.js';
import { READ_DELETED, READ_LAST_REMOVED, REMOVE_HISTORY, RESTORE_HISTORY } from './sql/history.js';
import {
  ADD_PARTITIONS,
  CLAIM,
  END_LEASE,
  FIX_SETTINGS,
  GIVE_UP_ALL,
  LIVE_OWNERS,
  PUBLISH,
  READ_SETTINGS,
  READ_TASK_KEY,
  READ_TIME,
  REGISTER,
  RELEASE,
  RENEW,
  VIEW,
} from './sql/ownership.js';
import {
  EXECUTIONS_AFTER,
  NEXT_DUE,
  READ_CHAIN,
  READ_CHAIN_ENDS,
  READ_DUE,
  READ_EVENTS,
  READ_EXECUTIONS,
  READ_LOGS,
  READ_NEWEST,
  READ_STARTS,
  READ_UNFINISHED,
} from './sql/read.js';
import { READ_SNAPSHOTS, WRITE_SNAPSHOT } from './sql/snapshots.js';

interface EventRow {
  execution_id: string;
  version: number;
  type: string;
  at: number;
  command_id: string;
  position: number;
  partition: number;
  data: unknown;
}

/** An event for the cursor with index `of`; all event columns are null when the cursor has no event. */
type LogRow = { readonly of: number; readonly last_position: number } & (EventRow | Record<keyof EventRow, null>);

interface SnapshotRow {
  execution_id: string;
  version: number;
  reducer_version: number;
  config_id: string;
  config_version: number;
  state: JsonValue;
}

interface PartitionRow {
  id: number;
  owner: string | null;
  alive: boolean;
  epoch: number;
  last_position: number;
  published_position: number;
}

/** Throws an `UnreadableEventError` for an event that this version does not know. */
function upcastRow(row: Pick<EventRow, 'execution_id' | 'version' | 'type' | 'data'>): ReturnType<typeof upcast> {
  try {
    return upcast(row);
  } catch (error) {
    throw new UnreadableEventError(row.execution_id, row.version, error);
  }
}

function toEvent(row: EventRow): Event {
  const event = upcastRow(row);
  return {
    executionId: row.execution_id,
    version: row.version,
    type: event.type,
    at: row.at,
    commandId: row.command_id,
    position: row.position,
    partition: row.partition,
    data: event.data,
  } as Event;
}

const toPartition = (row: PartitionRow): PartitionRecord => ({
  partition: row.id,
  owner: row.owner,
  ownerAlive: row.alive,
  epoch: row.epoch,
  lastPosition: row.last_position,
  publishedPosition: row.published_position,
});

const fencedColumns = (partitions: readonly FencedPartition[]): number[][] => [
  partitions.map((item) => item.partition),
  partitions.map((item) => item.epoch),
  partitions.map((item) => item.publishedPosition),
];

/**
 * For the connections of a pool (`onConnect`) that may belong to the tables' owner. The pool waits for the promise that it gives, which
 * the types of pg do not say.
 */
export const seeAllTenants = ((client) => client.query(SEE_ALL_TENANTS).catch(() => undefined)) as (
  client: pg.ClientBase,
) => void;

/** The part of a connection or pool that the store uses. */
export interface Queries {
  query<R extends pg.QueryResultRow>(text: string | pg.QueryConfig, values?: unknown[]): Promise<pg.QueryResult<R>>;
}

export interface PostgresEventStoreOptions {
  readonly databaseUrl: string;
  /**
   * Existing connections for everything but commits. Rows that they cannot see do not exist for the store. Default: the
   * store's own pool.
   */
  readonly queries?: Queries;
  /** For an operator's command, which may run as the owner of the tables. */
  readonly everyTenant?: boolean;
  /** Number of connections for everything but commits. Default 4. */
  readonly poolSize?: number;
  readonly connectTimeoutMs?: number;
  /** Milliseconds after which a commit's outcome counts as unknown. Default 10,000. */
  readonly commitTimeoutMs?: number;
  /** Called with errors of idle connections. The pool replaces such connections itself. */
  readonly onConnectionError?: (error: Error) => void;
}

/** The event store in schema `execution` of PostgreSQL 12 or newer. Run `migrateEventStore` first. */
export class PostgresEventStore implements EventStore, SnapshotStore {
  readonly #options: PostgresEventStoreOptions;
  readonly #pool: Queries;
  #own: pg.Pool | undefined;

  constructor(options: PostgresEventStoreOptions) {
    this.#options = options;
    this.#pool = options.queries ?? (this.#own = this.#openPool());
  }

  #openPool(): pg.Pool {
    const options = this.#options;
    const pool = new pg.Pool({
      connectionString: options.databaseUrl,
      max: options.poolSize ?? 4,
      application_name: 'batuta-execution',
      connectionTimeoutMillis: options.connectTimeoutMs ?? 5_000,
      query_timeout: 30_000,
      keepAlive: true,
      types: numericTypes,
      ...(options.everyTenant === true ? { onConnect: seeAllTenants } : {}),
    });
    pool.on('error', options.onConnectionError ?? (() => undefined));
    return pool;
  }

  openLane(): CommitLane {
    return new PostgresCommitLane({
      databaseUrl: this.#options.databaseUrl,
      applicationName: 'batuta-execution-lane',
      connectTimeoutMs: this.#options.connectTimeoutMs ?? 5_000,
      statementTimeoutMs: this.#options.commitTimeoutMs ?? 10_000,
    });
  }

  async ping(): Promise<void> {
    await this.#pool.query('SELECT 1');
  }

  async close(): Promise<void> {
    await this.#own?.end();
  }

  async fixPartitionCount(wanted: number): Promise<number> {
    await this.#pool.query(FIX_SETTINGS, [wanted]);
    const [row] = await this.#rows<{ partitions: number }>('read-settings', READ_SETTINGS, []);
    if (row === undefined) throw new Error('the settings row has vanished');
    await this.#pool.query(ADD_PARTITIONS, [row.partitions]);
    return row.partitions;
  }

  /** The key of the tokens in tasks. `wanted`: see `fixPartitionCount`, which creates the row that holds the key. */
  async taskKey(wanted: number): Promise<Uint8Array> {
    await this.#pool.query(FIX_SETTINGS, [wanted]);
    const [row] = await this.#rows<{ task_key: Buffer }>('read-task-key', READ_TASK_KEY, []);
    if (row === undefined) throw new Error('the settings row has vanished');
    return row.task_key;
  }

  async register(owner: string, incarnation: string, leaseMs: number): Promise<void> {
    await this.#pool.query(REGISTER, [owner, incarnation, leaseMs]);
  }

  async renew(owner: string, incarnation: string, leaseMs: number): Promise<boolean> {
    const { rowCount } = await this.#pool.query(RENEW, [owner, incarnation, leaseMs]);
    return rowCount === 1;
  }

  async time(): Promise<number> {
    const [row] = await this.#rows<{ now: number }>('read-time', READ_TIME, []);
    return row?.now ?? Number.NaN;
  }

  async resign(owner: string, incarnation: string): Promise<void> {
    const { rowCount } = await this.#pool.query(END_LEASE, [owner, incarnation]);
    if (rowCount === 1) await this.#pool.query(GIVE_UP_ALL, [owner]);
  }

  async view(): Promise<OwnershipView> {
    const [partitions, owners] = await Promise.all([
      this.#rows<PartitionRow>('view', VIEW, []),
      this.#rows<{ name: string }>('live-owners', LIVE_OWNERS, []),
    ]);
    return { partitions: partitions.map(toPartition), liveOwners: owners.map((row) => row.name) };
  }

  async claim(
    owner: string,
    incarnation: string,
    wanted: readonly { readonly partition: number; readonly epoch: number }[],
  ): Promise<PartitionRecord[]> {
    const rows = await this.#rows<PartitionRow>('claim', CLAIM, [
      owner,
      incarnation,
      wanted.map((item) => item.partition),
      wanted.map((item) => item.epoch),
    ]);
    return rows.map(toPartition).sort((a, b) => a.partition - b.partition);
  }

  async release(owner: string, partitions: readonly FencedPartition[]): Promise<void> {
    await this.#pool.query(RELEASE, [owner, ...fencedColumns(partitions)]);
  }

  async publish(partitions: readonly FencedPartition[]): Promise<void> {
    await this.#pool.query(PUBLISH, fencedColumns(partitions));
  }

  async readExecutions(ids: readonly string[]): Promise<Map<string, Event[]>> {
    const found = new Map<string, Event[]>();
    for (const row of await this.#rows<EventRow>('read-executions', READ_EXECUTIONS, [ids])) {
      const events = found.get(row.execution_id);
      if (events === undefined) found.set(row.execution_id, [toEvent(row)]);
      else events.push(toEvent(row));
    }
    return found;
  }

  async readEvents(executionId: string, fromVersion: number, limit: number): Promise<Event[]> {
    const rows = await this.#rows<EventRow>('read-events', READ_EVENTS, [executionId, fromVersion, limit]);
    return rows.map(toEvent);
  }

  async readNewest(ids: readonly string[]): Promise<(NewestEvent | undefined)[]> {
    const rows = await this.#rows<{ execution_id: string } & NewestEvent>('read-newest', READ_NEWEST, [ids]);
    const newest = new Map(rows.map(({ execution_id: id, version, type }) => [id, { version, type }]));
    return ids.map((id) => newest.get(id.toLowerCase()));
  }

  async readChainEnds(ids: readonly string[]): Promise<Map<string, ChainEnd>> {
    const rows = await this.#rows<{ execution_id: string } & ChainEnd>('read-chain-ends', READ_CHAIN_ENDS, [ids]);
    return new Map(rows.map(({ execution_id: id, version, link }) => [id, { version, link }]));
  }

  readChain(executionId: string, fromVersion: number, limit: number): Promise<ChainedEvent[]> {
    return this.#rows<ChainedEvent>('read-chain', READ_CHAIN, [executionId, fromVersion, limit]);
  }

  async readStarts(ids: readonly string[]): Promise<Map<string, Start>> {
    const rows = await this.#rows<EventRow>('read-starts', READ_STARTS, [ids]);
    return new Map(rows.map((row) => [row.execution_id, upcastRow(row).data as Start]));
  }

  async readLogs(
    cursors: readonly LogCursor[],
    limit: number,
    types: readonly EventType[],
    onlyCalledBackStarts = false,
  ): Promise<LogPage[]> {
    const rows = await this.#rows<LogRow>('read-logs', READ_LOGS, [
      cursors.map(({ partition }) => partition),
      cursors.map(({ after }) => after),
      limit,
      types.length === 0 ? null : types,
      onlyCalledBackStarts,
    ]);
    const found = new Map<
      number,
      { events: Event[]; read: number; rows: number; last: number; unreadable: Set<string> }
    >();
    for (const row of rows) {
      const { of, last_position: last } = row;
      let page = found.get(of);
      if (page === undefined) found.set(of, (page = { events: [], read: 0, rows: 0, last, unreadable: new Set() }));
      if (row.execution_id === null) continue;
      page.rows += 1;
      page.read = row.position;
      try {
        const event = toEvent(row);
        if (isExecutionEvent(event)) page.events.push(event);
      } catch (error) {
        // An unreadable event must not keep readers of the log from later events.
        if (!(error instanceof UnreadableEventError)) throw error;
        page.unreadable.add(row.execution_id);
      }
    }
    return cursors.map(({ after }, place) => {
      const page = found.get(place + 1);
      if (page === undefined) return { events: [], position: after };
      const read = Math.max(after, page.read);
      const position = page.rows < limit ? Math.max(read, page.last) : read;
      return {
        events: page.events,
        position,
        ...(page.unreadable.size === 0 ? {} : { unreadable: [...page.unreadable] }),
      };
    });
  }

  async executionsAfter(
    partition: number,
    position: number,
    limit: number,
  ): Promise<{ id: string; position: number }[]> {
    const rows = await this.#rows<{ execution_id: string; position: number }>('executions-after', EXECUTIONS_AFTER, [
      partition,
      position,
      limit,
    ]);
    return rows.map((row) => ({ id: row.execution_id, position: row.position }));
  }

  async readDue(partitions: readonly number[], until: number, limit: number): Promise<DueExecution[]> {
    const rows = await this.#rows<{ id: string; partition: number; wake_at: number }>('read-due', READ_DUE, [
      partitions,
      Math.floor(until),
      limit,
    ]);
    return rows.map((row) => ({ id: row.id, partition: row.partition, wakeAt: row.wake_at }));
  }

  async nextDue(partitions: readonly number[]): Promise<number | undefined> {
    const [row] = await this.#rows<{ wake_at: number | null }>('next-due', NEXT_DUE, [partitions]);
    return row?.wake_at ?? undefined;
  }

  async readUnfinished(partition: number, afterId: string | undefined, limit: number): Promise<string[]> {
    const rows = await this.#rows<{ id: string }>('read-unfinished', READ_UNFINISHED, [
      partition,
      afterId ?? null,
      limit,
    ]);
    return rows.map((row) => row.id);
  }

  readDeleted(partitions: readonly number[], limit: number): Promise<DeletedExecution[]> {
    return this.#rows<DeletedExecution>('read-deleted', READ_DELETED, [partitions, limit]);
  }

  async removeHistory(ids: readonly string[]): Promise<string[]> {
    const rows = await this.#rows<{ id: string }>('remove-history', REMOVE_HISTORY, [ids]);
    return rows.map(({ id }) => id);
  }

  async restoreHistory({ executionId, events, row }: RemovedHistory): Promise<RestoreOutcome> {
    const given = events.map(({ version, position, at, type, commandId, data, link }) => ({
      version,
      position,
      at,
      type,
      command_id: commandId,
      data,
      link,
    }));
    const values = [executionId, row.progress.version, encodeJson(given), encodeExecutionRows([row])];
    try {
      const [found] = await this.#rows<{ back: number; present: number }>('restore-history', RESTORE_HISTORY, values);
      if ((found?.back ?? 0) > 0) return 'restored';
      return (found?.present ?? 0) > 0 ? 'present' : 'different';
    } catch (error) {
      // Another request has put them back at the same moment.
      if ((error as { code?: string }).code === '23505') return 'present';
      throw error;
    }
  }

  async readLastRemoved(executionId: string): Promise<RemovedLink | undefined> {
    const [row] = await this.#rows<RemovedLink>('read-last-removed', READ_LAST_REMOVED, [executionId]);
    return row;
  }

  async readConfig(configId: string, version: number): Promise<JsonObject | undefined> {
    const [row] = await this.#rows<{ definition: JsonObject }>('read-config', READ_CONFIG, [configId, version]);
    return row?.definition;
  }

  async writeConfig(configId: string, version: number, tenantId: string, definition: JsonObject): Promise<void> {
    await this.#pool.query(WRITE_CONFIG, [configId, version, tenantId, encodeJson(definition)]);
  }

  async readAgent(tenantId: string, name: string): Promise<AgentCopy | undefined> {
    const [row] = await this.#rows<{
      pool: string;
      input_schema: JsonValue;
      output_schema: JsonValue;
      model: AgentModelCopy | null;
    }>('read-agent', READ_AGENT, [tenantId, name]);
    if (row === undefined) return undefined;
    return {
      pool: row.pool,
      ...(row.input_schema === null ? {} : { inputSchema: row.input_schema }),
      ...(row.output_schema === null ? {} : { outputSchema: row.output_schema }),
      ...(row.model === null ? {} : { model: row.model }),
    };
  }

  async writeAgent(tenantId: string, name: string, agent: AgentCopy): Promise<void> {
    const { pool, inputSchema, outputSchema, model } = agent;
    await this.#pool.query(WRITE_AGENT, [
      tenantId,
      name,
      pool,
      inputSchema === undefined ? null : encodeJson(inputSchema),
      outputSchema === undefined ? null : encodeJson(outputSchema),
      model === undefined ? null : encodeJson(model as unknown as JsonObject),
    ]);
  }

  async readSnapshots(ids: readonly string[], reducerVersion: number): Promise<Map<string, Snapshot>> {
    const rows = await this.#rows<SnapshotRow>('read-snapshots', READ_SNAPSHOTS, [ids, reducerVersion]);
    return new Map(
      rows.map((row) => [
        row.execution_id,
        {
          executionId: row.execution_id,
          version: row.version,
          reducerVersion: row.reducer_version,
          configId: row.config_id,
          configVersion: row.config_version,
          state: row.state,
        },
      ]),
    );
  }

  async writeSnapshot(snapshot: Snapshot): Promise<void> {
    const { executionId, version, reducerVersion, configId, configVersion, state } = snapshot;
    await this.#pool.query({
      name: 'write-snapshot',
      text: WRITE_SNAPSHOT,
      values: [executionId, version, reducerVersion, configId, configVersion, encodeJson(state)],
    });
  }

  async #rows<R extends pg.QueryResultRow>(name: string, text: string, values: unknown[]): Promise<R[]> {
    const { rows } = await this.#pool.query<R>({ name, text, values, types: numericTypes });
    return rows;
  }
}
