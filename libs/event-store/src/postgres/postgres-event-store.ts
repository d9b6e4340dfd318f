import { SEE_ALL_TENANTS } from '@batuta/contracts';
import type { JsonValue } from '@batuta/contracts';
import pg from 'pg';
import type { ChainedEvent } from '../chain.js';
import { encodeJson } from '../encode-json.js';
import { StreamKinds, UnreadableEventError } from '../kinds.js';
import type { StoredEvent, StreamKind } from '../kinds.js';
import type {
  ChainEnd,
  CommitLane,
  DueStream,
  EventStore,
  FencedPartition,
  LargeFields,
  LogCursor,
  LogEvent,
  LogPage,
  LogSelection,
  NewestEvent,
  OwnershipView,
  PartitionRecord,
  RemovedLink,
  Snapshot,
  SnapshotStore,
  WantedPartition,
} from '../port.js';
import { CommitQueries, PostgresCommitLane } from './commit-lane.js';
import { numericTypes } from './connection.js';
import { boundedPages, logPages } from './log-pages.js';
import type { EventRow, LogRow } from './log-pages.js';
import { PostgresOwnership } from './postgres-ownership.js';
import { queryRows } from './queries.js';
import type { Queries } from './queries.js';
import type { RowsBeside } from './rows-beside.js';
import { READ_LAST_REMOVED } from './sql/history.js';
import { READ_CHAIN, READ_CHAIN_ENDS, READ_NEWEST, STREAMS_AFTER, nextDue, readDue, readLogs } from './sql/read.js';
import { WRITE_SNAPSHOT } from './sql/snapshots.js';
import { readsOf } from './stream-reads.js';
import type { StreamReads } from './stream-reads.js';

interface SnapshotRow {
  execution_id: string;
  version: number;
  reducer_version: number;
  config_id: string;
  config_version: number;
  state: JsonValue;
}

/**
 * For the connections of a pool (`onConnect`) that may belong to the tables' owner. The pool waits for the promise that it gives, which
 * the types of pg do not say.
 */
export const seeAllTenants = ((client) => client.query(SEE_ALL_TENANTS).catch(() => undefined)) as (
  client: pg.ClientBase,
) => void;

export interface PostgresEventStoreOptions {
  readonly databaseUrl: string;
  /**
   * Existing connections for everything but commits. Rows that they cannot see do not exist for the store. Default: the
   * store's own pool.
   */
  readonly queries?: Queries;
  /** Fields that `readStreams` and `readEvents` leave out. Large snapshots do not exist then. Default: none. */
  readonly leaveOut?: LargeFields;
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

/** What stores in PostgreSQL hold. Made once, because each store of a request uses it too. */
export class PostgresStreams<Rows = unknown> {
  readonly kinds: StreamKinds;
  readonly commits: CommitQueries<Rows>;
  readonly readDue: string;
  readonly nextDue: string;

  /** `rows`: the rows that kinds have beside their events. Default: none. */
  constructor(kinds: readonly StreamKind[], rows: RowsBeside<Rows> = { parts: [], wakeTables: [] }) {
    this.kinds = new StreamKinds(kinds);
    this.commits = new CommitQueries(rows.parts);
    this.readDue = readDue(rows.wakeTables);
    this.nextDue = nextDue(rows.wakeTables);
  }
}

/**
 * The event store in schema `execution` of PostgreSQL 12 or newer. Run `migrateEventStore` first. `E` are the events of
 * the given kinds.
 */
export class PostgresEventStore<E extends LogEvent = LogEvent, Rows = unknown>
  implements EventStore<E, Rows>, SnapshotStore
{
  readonly #options: PostgresEventStoreOptions;
  readonly #pool: Queries;
  readonly #ownership: PostgresOwnership;
  readonly #streams: PostgresStreams<Rows>;
  readonly #reads: StreamReads;
  #own: pg.Pool | undefined;

  constructor(options: PostgresEventStoreOptions, streams: PostgresStreams<Rows>) {
    this.#options = options;
    this.#streams = streams;
    this.#reads = readsOf(options.leaveOut);
    this.#pool = options.queries ?? (this.#own = this.#openPool());
    this.#ownership = new PostgresOwnership(this.#pool);
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

  openLane(): CommitLane<Rows> {
    const connection = {
      databaseUrl: this.#options.databaseUrl,
      applicationName: 'batuta-execution-lane',
      connectTimeoutMs: this.#options.connectTimeoutMs ?? 5_000,
      statementTimeoutMs: this.#options.commitTimeoutMs ?? 10_000,
    };
    return new PostgresCommitLane(connection, this.#streams.commits);
  }

  async ping(): Promise<void> {
    await this.#pool.query('SELECT 1');
  }

  async close(): Promise<void> {
    await this.#own?.end();
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
    const found = new Map<string, E[]>();
    const { name, text } = this.#reads.streams;
    for (const row of await this.rows<EventRow>(name, text, [ids])) {
      const events = found.get(row.execution_id);
      if (events === undefined) found.set(row.execution_id, [this.#toEvent(row)]);
      else events.push(this.#toEvent(row));
    }
    return found;
  }

  async readEvents(id: string, fromVersion: number, limit: number): Promise<E[]> {
    const { name, text } = this.#reads.events;
    const rows = await this.rows<EventRow>(name, text, [id, fromVersion, limit]);
    return rows.map((row) => this.#toEvent(row));
  }

  async readNewest(ids: readonly string[]): Promise<(NewestEvent | undefined)[]> {
    const rows = await this.rows<{ execution_id: string } & NewestEvent>('read-newest', READ_NEWEST, [ids]);
    const newest = new Map(rows.map(({ execution_id: id, version, type }) => [id, { version, type }]));
    return ids.map((id) => newest.get(id.toLowerCase()));
  }

  async readChainEnds(ids: readonly string[]): Promise<Map<string, ChainEnd>> {
    const rows = await this.rows<{ execution_id: string } & ChainEnd>('read-chain-ends', READ_CHAIN_ENDS, [ids]);
    return new Map(rows.map(({ execution_id: id, version, link }) => [id, { version, link }]));
  }

  readChain(id: string, fromVersion: number, limit: number): Promise<ChainedEvent[]> {
    return this.rows<ChainedEvent>('read-chain', READ_CHAIN, [id, fromVersion, limit]);
  }

  async readLogs(
    cursors: readonly LogCursor[],
    limit: number,
    { kind, types = [], filter }: LogSelection = {},
  ): Promise<LogPage<E>[]> {
    const name = filter === undefined ? 'read-logs' : `read-logs-${filter.name}`;
    return boundedPages(cursors, limit, async (from, most) => {
      const rows = await this.rows<LogRow>(name, readLogs(filter?.sql), [
        from.map(({ partition }) => partition),
        from.map(({ after }) => after),
        most,
        types.length === 0 ? null : types,
      ]);
      return logPages(rows, from, most, (row) => {
        const event = this.#toEvent(row);
        return kind === undefined || this.#streams.kinds.of(event.type) === kind ? event : undefined;
      });
    });
  }

  async streamsAfter(partition: number, position: number, limit: number): Promise<{ id: string; position: number }[]> {
    const rows = await this.rows<{ execution_id: string; position: number }>('streams-after', STREAMS_AFTER, [
      partition,
      position,
      limit,
    ]);
    return rows.map((row) => ({ id: row.execution_id, position: row.position }));
  }

  async readDue(partitions: readonly number[], until: number, limit: number): Promise<DueStream[]> {
    const rows = await this.rows<{ id: string; partition: number; wake_at: number }>(
      'read-due',
      this.#streams.readDue,
      [partitions, Math.floor(until), limit],
    );
    return rows.map((row) => ({ id: row.id, partition: row.partition, wakeAt: row.wake_at }));
  }

  async nextDue(partitions: readonly number[]): Promise<number | undefined> {
    const [row] = await this.rows<{ wake_at: number | null }>('next-due', this.#streams.nextDue, [partitions]);
    return row?.wake_at ?? undefined;
  }

  async readLastRemoved(id: string): Promise<RemovedLink | undefined> {
    const [row] = await this.rows<RemovedLink>('read-last-removed', READ_LAST_REMOVED, [id]);
    return row;
  }

  async readSnapshots(ids: readonly string[], reducerVersion: number): Promise<Map<string, Snapshot>> {
    const { name, text } = this.#reads.snapshots;
    const rows = await this.rows<SnapshotRow>(name, text, [ids, reducerVersion]);
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

  /** Runs a prepared statement and returns its rows. */
  protected rows<R extends pg.QueryResultRow>(name: string, text: string, values: unknown[]): Promise<R[]> {
    return queryRows<R>(this.#pool, name, text, values);
  }

  /** Throws an `UnreadableEventError` for an event that no kind knows. */
  protected upcast(row: Pick<EventRow, 'execution_id' | 'version' | 'type' | 'data'>): StoredEvent {
    try {
      return this.#streams.kinds.upcast(row);
    } catch (error) {
      throw new UnreadableEventError(row.execution_id, row.version, error);
    }
  }

  #toEvent(row: EventRow): E {
    const event = this.upcast(row);
    const found: LogEvent = {
      executionId: row.execution_id,
      version: row.version,
      type: event.type,
      at: row.at,
      commandId: row.command_id,
      position: row.position,
      partition: row.partition,
      data: event.data,
    };
    // The kinds say which types there are, and each type has its data.
    return found as E;
  }
}
