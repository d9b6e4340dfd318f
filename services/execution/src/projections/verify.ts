import { setTimeout as delay } from 'node:timers/promises';
import type { Event, JsonValue } from '@batuta/contracts';
import { ChainWalk, SealKeys, StreamKinds, encodeJson, migrateEventStore, seeAllTenants } from '@batuta/event-store';
import pg from 'pg';
import { STREAM_KINDS } from '../store/kinds.js';
import { encodeExecutionRows } from '../store/postgres/execution-rows.js';
import { PostgresExecutionStore } from '../store/postgres/postgres-execution-store.js';
import { REDUCER_VERSION, encodeSnapshot, evolve, initialState, isTerminal, nextWake } from '../domain/index.js';
import type { State } from '../domain/index.js';
import { rowOf } from '../partitions/lane/batch.js';
import { ConfigRegistry } from '../partitions/ports/config-registry.js';
import { TOMBSTONE } from '../partitions/lane/fold-execution.js';
import { firstDifference } from './first-difference.js';
import {
  AS_EXECUTIONS,
  AS_STEP_RUNS,
  EVENTS_OF,
  EXECUTIONS_OF,
  IDS_AFTER,
  IDS_OF_TENANT,
  PARTITIONS,
  PROJECTED,
  REMOVED_OF,
  SNAPSHOTS_OF,
  STEP_RUNS_OF,
} from './sql/verify.js';
import { verifyCheckpoints } from '../integrity/checkpoints.js';
import { projectedUnits, StepRunColumns } from './step-run-columns.js';

/** A difference between an execution's stored data and its log. */
export interface Difference {
  /** Empty for a checkpoint. */
  readonly executionId: string;
  readonly where: 'log' | 'chain' | 'checkpoint' | 'snapshot' | 'orchestration_executions' | 'orchestration_step_runs';
  readonly what: string;
}

export interface VerifySummary {
  readonly executions: number;
  readonly events: number;
  readonly snapshots: number;
  /** Events without a link, because a version without links stored them. */
  readonly unlinked: number;
  /** Signed checkpoints that were compared, if all executions are verified. */
  readonly checkpoints: number;
  /** Executions with a difference, and invalid checkpoints. */
  readonly different: number;
  /** Executions whose newest step runs are not projected yet. The projected ones were compared. */
  readonly behind: number;
}

interface EventRow {
  execution_id: string;
  version: number;
  type: string;
  at: string;
  command_id: string;
  position: string;
  partition: number;
  data: unknown;
  link: string | null;
}

interface SnapshotRow {
  execution_id: string;
  version: number;
  reducer_version: number;
  state: JsonValue;
}

type Columns = Readonly<Record<string, unknown>>;

/** Everything stored about some executions, read at one moment. */
interface Stored {
  readonly events: ReadonlyMap<string, readonly EventRow[]>;
  readonly snapshots: ReadonlyMap<string, SnapshotRow>;
  readonly executions: ReadonlyMap<string, Columns>;
  readonly stepRuns: ReadonlyMap<string, readonly Columns[]>;
  readonly projected: ReadonlyMap<number, number>;
  /** The last links of removed events. */
  readonly removed: ReadonlyMap<string, { readonly position: number; readonly link: string }>;
}

interface Folded {
  readonly newest: State;
  readonly partition: number;
  readonly position: number;
  /** Only the event of the deletion is left. */
  readonly removed?: true;
  /** The states after the versions that stored data refer to. */
  readonly at: ReadonlyMap<number, State>;
}

const KINDS = new StreamKinds(STREAM_KINDS);
const PAGE = 20;
/** A running projection catches up meanwhile. */
const LAG_ROUNDS = 25;
const LAG_PAUSE_MS = 200;
/** Columns about writing and waking, which do not describe the execution. */
const BOOKKEEPING = ['version', 'wake_at'] as const;

/**
 * Computes executions from their first event and compares the result with their snapshots and with both read models.
 * `which` is an execution's id, a tenant, or `all`, which also compares signed checkpoints with the links. The service
 * may run meanwhile. Reports the first difference of each execution. Throws the errors of PostgreSQL.
 */
export async function verifyExecutions(
  databaseUrl: string,
  which: string | { readonly tenantId: string },
  report: (difference: Difference) => void,
  /** Seeds that may have signed checkpoints. Signatures of other keys are not checked. */
  seals: readonly Buffer[] = [],
): Promise<VerifySummary> {
  await migrateEventStore(databaseUrl);
  const store = new PostgresExecutionStore({ databaseUrl, everyTenant: true, poolSize: 1 });
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: 1,
    application_name: 'batuta-verify',
    onConnect: seeAllTenants,
  });
  const verifier = new Verifier(
    pool,
    new ConfigRegistry(store, {
      version: () => Promise.resolve({ kind: 'missing' }),
    }),
    report,
  );
  try {
    if (typeof which === 'string' && which !== 'all') {
      await verifier.page([which]);
      return verifier.summary;
    }
    const [idsAfter, of] = typeof which === 'string' ? [IDS_AFTER, []] : [IDS_OF_TENANT, [which.tenantId]];
    for (let after: string | null = null; ;) {
      const { rows }: { rows: { id: string }[] } = await pool.query(idsAfter, [after, PAGE, ...of]);
      const ids = rows.map(({ id }) => id);
      if (ids.length > 0) await verifier.page(ids);
      if (ids.length < PAGE) break;
      after = ids.at(-1) ?? null;
    }
    if (which === 'all') await verifier.checkpoints(new SealKeys(seals));
    return verifier.summary;
  } finally {
    await pool.end();
    await store.close();
  }
}

class Verifier {
  readonly #pool: pg.Pool;
  readonly #configs: ConfigRegistry;
  readonly #report: (difference: Difference) => void;
  readonly #counts = { executions: 0, events: 0, snapshots: 0, unlinked: 0, checkpoints: 0, different: 0, behind: 0 };

  constructor(pool: pg.Pool, configs: ConfigRegistry, report: (difference: Difference) => void) {
    this.#pool = pool;
    this.#configs = configs;
    this.#report = report;
  }

  get summary(): VerifySummary {
    return { ...this.#counts };
  }

  async checkpoints(keys: SealKeys): Promise<void> {
    const { rows } = await this.#pool.query<{ id: number }>(PARTITIONS);
    const partitions = rows.map(({ id }) => id);
    this.#counts.checkpoints = await verifyCheckpoints(this.#pool, partitions, keys, (_partition, what) => {
      this.#counts.different += 1;
      this.#report({ executionId: '', where: 'checkpoint', what });
    });
  }

  async page(ids: readonly string[]): Promise<void> {
    for (let open = ids, round = 1; open.length > 0; round += 1) {
      const stored = await this.#read(open);
      const lagging: string[] = [];
      for (const id of open) {
        const { difference, behind } = await this.#verify(id, stored);
        if (behind && difference === undefined && round < LAG_ROUNDS) {
          lagging.push(id);
          continue;
        }
        const events = stored.events.get(id) ?? [];
        this.#counts.executions += 1;
        this.#counts.events += events.length;
        this.#counts.unlinked += events.filter(({ link }) => link === null).length;
        this.#counts.snapshots += stored.snapshots.has(id) ? 1 : 0;
        this.#counts.behind += behind ? 1 : 0;
        if (difference !== undefined) {
          this.#counts.different += 1;
          this.#report(difference);
        }
      }
      open = lagging;
      if (open.length > 0) await delay(LAG_PAUSE_MS);
    }
  }

  /** Reads one consistent view: rows and events of a commit are all visible or none. */
  async #read(ids: readonly string[]): Promise<Stored> {
    const client = await this.#pool.connect();
    try {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      const events = await client.query<EventRow>(EVENTS_OF, [ids]);
      const snapshots = await client.query<SnapshotRow>(SNAPSHOTS_OF, [ids]);
      const executions = await client.query<{ id: string; row: Columns }>(EXECUTIONS_OF, [ids]);
      const stepRuns = await client.query<{ execution_id: string; row: Columns }>(STEP_RUNS_OF, [ids]);
      const projected = await client.query<{ partition: number; position: string }>(PROJECTED);
      const removed = await client.query<{ id: string; position: string; link: string }>(REMOVED_OF, [ids]);
      await client.query('COMMIT');
      return {
        removed: new Map(removed.rows.map(({ id, position, link }) => [id, { position: Number(position), link }])),
        events: groupBy(
          events.rows,
          (row) => row.execution_id,
          (row) => row,
        ),
        snapshots: new Map(snapshots.rows.map((row) => [row.execution_id, row])),
        executions: new Map(executions.rows.map(({ id, row }) => [id, row])),
        stepRuns: groupBy(
          stepRuns.rows,
          (row) => row.execution_id,
          ({ row }) => row,
        ),
        projected: new Map(projected.rows.map(({ partition, position }) => [partition, Number(position)])),
      };
    } catch (error) {
      await client.query('ROLLBACK').catch(() => undefined);
      throw error;
    } finally {
      client.release();
    }
  }

  async #verify(id: string, stored: Stored): Promise<{ difference?: Difference; behind: boolean }> {
    const snapshot = stored.snapshots.get(id);
    const stepRuns = stored.stepRuns.get(id) ?? [];
    const versions = new Set([...stepRuns.map((row) => Number(row['version'])), snapshot?.version ?? 0]);
    const broken = this.#chainProblem(id, stored);
    if (broken !== undefined) return { difference: { executionId: id, where: 'chain', what: broken }, behind: false };
    const folded = await this.#fold(id, stored.events.get(id) ?? [], versions);
    if (typeof folded === 'string') {
      return { difference: { executionId: id, where: 'log', what: folded }, behind: false };
    }
    const behind = (stored.projected.get(folded.partition) ?? 0) < folded.position;
    const checks: readonly [Difference['where'], () => Promise<string | undefined> | string | undefined][] = [
      ['snapshot', () => (snapshot === undefined ? undefined : snapshotDifference(folded, snapshot))],
      ['orchestration_executions', () => this.#executionDifference(id, folded, stored.executions.get(id))],
      ['orchestration_step_runs', () => this.#stepRunDifference(folded, stepRuns, behind)],
    ];
    for (const [where, check] of checks) {
      const what = await check();
      if (what !== undefined) return { difference: { executionId: id, where, what }, behind };
    }
    return { behind };
  }

  #chainProblem(id: string, { events, executions, removed }: Stored): string | undefined {
    const rows = events.get(id) ?? [];
    const [first] = rows;
    // Without any event, computing the state reports it.
    if (first === undefined) return undefined;
    const before = isTombstone(first)
      ? {
          version: first.version - 1,
          partition: first.partition,
          position: removed.get(id)?.position ?? Number(first.position) - 1,
          link: removed.get(id)?.link ?? '',
        }
      : undefined;
    const walk = new ChainWalk(id, before);
    for (const row of rows) {
      const { version, partition, position, at, type, command_id: commandId, data, link } = row;
      const place = { version, partition, position: Number(position), at: Number(at) };
      walk.add({ ...place, type, commandId, data: data as JsonValue, link });
    }
    const version = Number(executions.get(id)?.['version'] ?? 0);
    walk.end(version);
    const [problem] = walk.problems;
    if (problem === undefined) return undefined;
    const { kind, fromVersion: from, toVersion: to, partition, fromPosition, toPosition, message } = problem;
    const versions = from === to ? `version ${from}` : `versions ${from} to ${to}`;
    return `${versions} ${kind} (partition ${partition}, positions ${fromPosition} to ${toPosition}): ${message}`;
  }

  async #fold(id: string, rows: readonly EventRow[], versions: ReadonlySet<number>): Promise<Folded | string> {
    const [first] = rows;
    const last = rows.at(-1);
    if (first === undefined || last === undefined) return 'there are no events of this execution';
    const data = first.data as { configId?: string; configVersion?: number } | null;
    if (isTombstone(first)) return tombstoneOf(rows);
    if (first.type !== 'ExecutionStarted') return `its first event is ${first.type}, not ExecutionStarted`;
    const found = await this.#configs.find(data?.configId ?? '', data?.configVersion ?? 0);
    if (found.kind !== 'found') {
      return `the copy of its config ${data?.configId ?? ''} version ${data?.configVersion ?? 0} is ${found.kind}`;
    }
    let state = initialState(found.config);
    let position = 0;
    const at = new Map<number, State>();
    for (const row of rows) {
      if (row.version !== state.version + 1) return `version ${row.version} comes after version ${state.version}`;
      if (row.partition !== first.partition) return `version ${row.version} lies in partition ${row.partition}`;
      if (Number(row.position) <= position) return `version ${row.version} has position ${row.position}`;
      position = Number(row.position);
      try {
        state = evolve(state, eventOf(row));
      } catch (error) {
        return `version ${row.version} cannot be folded: ${(error as Error).message}`;
      }
      if (versions.has(row.version)) at.set(row.version, state);
    }
    if (state.executionId !== id) return `its events are those of ${state.executionId}`;
    return { newest: state, partition: first.partition, position, at };
  }

  async #executionDifference(id: string, { newest, partition, removed }: Folded, row: Columns | undefined) {
    if (removed === true) return row === undefined ? undefined : 'there is a row of what is deleted and removed';
    if (row === undefined) return 'the row is missing';
    const wake = isTerminal(newest.status) ? null : Math.floor(nextWake(newest) ?? newest.deadlineAt);
    const { rows } = await this.#pool.query<{ row: Columns }>(AS_EXECUTIONS, [
      encodeExecutionRows([rowOf(id, partition, newest, wake)]),
    ]);
    const difference = firstDifference(without(rows[0]?.row ?? {}), without(row));
    if (difference !== undefined) return difference;
    const { wake_at: wakeAt, version } = row;
    if (Number(version) > newest.version) {
      return `/version: the log ends at ${newest.version}, stored is ${Number(version)}`;
    }
    // A lower bound: waking too early does no harm, waking too late would.
    const good = wake === null ? wakeAt === null : typeof wakeAt === 'number' && wakeAt <= wake;
    return good ? undefined : `/wake_at: the log says ${wake ?? 'none'}, stored is ${String(wakeAt)}`;
  }

  async #stepRunDifference({ newest, at, removed }: Folded, stored: readonly Columns[], behind: boolean) {
    if (removed === true) return stored.length === 0 ? undefined : 'there are step runs of what is deleted and removed';
    const expected = new Map<string, Columns>();
    const states = new Map(at);
    states.set(newest.version, newest);
    const columns = new StepRunColumns();
    for (const state of states.values()) columns.add(undefined, state);
    const { rows } = await this.#pool.query<{ row: Columns }>(AS_STEP_RUNS, columns.values);
    for (const { row } of rows) expected.set(`${Number(row['step_index'])}/${Number(row['version'])}`, row);
    for (const row of stored) {
      const step = Number(row['step_index']);
      const then = expected.get(`${step}/${Number(row['version'])}`);
      if (then === undefined) return `/${step}: the log has no such step at version ${Number(row['version'])}`;
      const difference = firstDifference(then, row, `/${String(row['step_id'])}`);
      if (difference !== undefined) return difference;
    }
    if (behind) return undefined;
    const byStep = new Map(stored.map((row) => [Number(row['step_index']), row]));
    for (const { index, id } of projectedUnits(newest.config)) {
      const row = byStep.get(index);
      if (row === undefined) return `/${id}: the row is missing`;
      const now = expected.get(`${index}/${newest.version}`) ?? {};
      const difference = firstDifference(without(now), without(row), `/${id}`);
      if (difference !== undefined) return difference;
    }
    return undefined;
  }
}

function snapshotDifference({ newest, at, removed }: Folded, snapshot: SnapshotRow): string | undefined {
  if (removed === true) return 'there is a snapshot of what is deleted and removed';
  // Nothing reads a snapshot of another version.
  if (snapshot.reducer_version !== REDUCER_VERSION) return undefined;
  const state = at.get(snapshot.version);
  if (state === undefined) return `/version: the log ends at ${newest.version}, stored is ${snapshot.version}`;
  const expected = JSON.parse(encodeJson(encodeSnapshot(state))) as unknown;
  return firstDifference(expected, snapshot.state);
}

/** Whether it is the rest of a deleted execution. */
function isTombstone({ type, version }: EventRow): boolean {
  return type === 'ExecutionDeleted' && version > 1;
}

/** A deletion by a policy or a user is not a fault, as long as it states the number of events. */
function tombstoneOf(rows: readonly EventRow[]): Folded | string {
  const state = rows.map(eventOf).reduce(evolve, initialState(TOMBSTONE));
  const [first] = rows;
  const events = state.deleted?.facts.events;
  if (first === undefined || rows.length > 1) {
    return `${rows.length - 1} events come after the one that says that it is deleted`;
  }
  if (events !== first.version - 1) return `${events} events are said to be deleted, version ${first.version} says it`;
  return { newest: state, partition: first.partition, position: Number(first.position), at: new Map(), removed: true };
}

function eventOf(row: EventRow): Event {
  const { type, data } = KINDS.upcast(row);
  return {
    executionId: row.execution_id,
    version: row.version,
    type,
    at: Number(row.at),
    commandId: row.command_id,
    position: Number(row.position),
    partition: row.partition,
    data,
  } as Event;
}

function without(row: Columns): Columns {
  const rest: Record<string, unknown> = { ...row };
  for (const name of BOOKKEEPING) delete rest[name];
  return rest;
}

function groupBy<T, V>(items: readonly T[], key: (item: T) => string, value: (item: T) => V): Map<string, V[]> {
  const groups = new Map<string, V[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group === undefined) groups.set(key(item), [value(item)]);
    else group.push(value(item));
  }
  return groups;
}
