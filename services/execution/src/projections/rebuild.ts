import { migrateEventStore, seeAllTenants } from '@batuta/event-store';
import pg from 'pg';
import type { ExecutionRow } from '../store/port.js';
import { encodeExecutionRows } from '../store/postgres/execution-rows.js';
import { PostgresExecutionStore } from '../store/postgres/postgres-execution-store.js';
import { isTerminal, nextWake } from '../domain/index.js';
import { rowOf } from '../partitions/lane/execution-row.js';
import { ConfigRegistry } from '../partitions/ports/config-registry.js';
import { foldExecution } from '../partitions/lane/fold-execution.js';
import { PROJECT_STEP_RUNS } from './sql/step-runs.js';
import {
  EXECUTIONS_OF_PARTITION,
  HOLD_PARTITION,
  REMOVE_SNAPSHOTS,
  REMOVE_STEP_RUNS,
  REMOVE_STRAY_EXECUTIONS,
  REMOVE_STRAY_STEP_RUNS,
  REMOVE_STRAY_UNFINISHED,
  REMOVE_UNFINISHED,
  WRITE_EXECUTIONS,
  WRITE_UNFINISHED,
} from './sql/rebuild.js';
import { StepRunColumns } from './step-run-columns.js';

export interface RebuildSummary {
  readonly executions: number;
  readonly stepRuns: number;
}

/** Executions in one transaction. Their partition cannot commit while it runs. */
const PAGE = 50;

/**
 * Writes orchestration_executions and orchestration_step_runs again from the log and the copies of configs, and drops
 * all snapshots. The service may run meanwhile. Throws the errors of PostgreSQL, and when an execution cannot be read;
 * completed pages stay.
 */
export async function rebuildReadModels(
  databaseUrl: string,
  onProgress: (done: RebuildSummary) => void = () => undefined,
): Promise<RebuildSummary> {
  await migrateEventStore(databaseUrl);
  const store = new PostgresExecutionStore({ databaseUrl, everyTenant: true, poolSize: 2 });
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: 1,
    application_name: 'batuta-rebuild',
    onConnect: seeAllTenants,
  });
  const configs = new ConfigRegistry(store, {
    version: () => Promise.resolve({ kind: 'missing' }),
  });
  let executions = 0;
  let stepRuns = 0;
  try {
    const { partitions } = await store.view();
    for (const { partition } of partitions) {
      for (let after: string | undefined = ''; after !== undefined;) {
        const page: RebuiltPage = await rebuildPage({ pool, store, configs }, partition, after);
        executions += page.executions;
        stepRuns += page.stepRuns;
        onProgress({ executions, stepRuns });
        after = page.next;
      }
    }
    await pool.query(REMOVE_SNAPSHOTS);
    await pool.query(REMOVE_STRAY_EXECUTIONS);
    await pool.query(REMOVE_STRAY_UNFINISHED);
    await pool.query(REMOVE_STRAY_STEP_RUNS);
    return { executions, stepRuns };
  } finally {
    await pool.end();
    await store.close();
  }
}

interface RebuiltPage extends RebuildSummary {
  /** The last execution of the page. Undefined when it is the partition's last page. */
  readonly next: string | undefined;
}

interface Sources {
  readonly pool: pg.Pool;
  readonly store: PostgresExecutionStore;
  readonly configs: ConfigRegistry;
}

/** Rebuilds a page of a partition's executions in one transaction. `after` is empty for the first page. */
async function rebuildPage(sources: Sources, partition: number, after: string): Promise<RebuiltPage> {
  const client = await sources.pool.connect();
  try {
    await client.query('BEGIN');
    const { rows: locked } = await client.query<{ last_position: string }>(HOLD_PARTITION, [partition]);
    const { rows: page } = await client.query<{ id: string }>(EXECUTIONS_OF_PARTITION, [
      partition,
      after === '' ? null : after,
      PAGE,
    ]);
    const ids = page.map((row) => row.id);
    const { rows, steps } = await readPage(sources, partition, ids);
    await client.query(WRITE_EXECUTIONS, [encodeExecutionRows(rows)]);
    await client.query(REMOVE_UNFINISHED, [ids]);
    await client.query(WRITE_UNFINISHED, [ids]);
    await client.query(REMOVE_STEP_RUNS, [ids]);
    const last = ids.length < PAGE;
    await client.query(PROJECT_STEP_RUNS, [
      ...steps.values,
      last ? [partition] : [],
      last ? [locked[0]?.last_position ?? 0] : [],
    ]);
    await client.query('COMMIT');
    return { executions: rows.length, stepRuns: steps.size, next: last ? undefined : ids.at(-1) };
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  } finally {
    client.release();
  }
}

/** The rows of executions, as their events say. */
async function readPage(
  { store, configs }: Sources,
  partition: number,
  ids: readonly string[],
): Promise<{ rows: ExecutionRow[]; steps: StepRunColumns }> {
  const rows: ExecutionRow[] = [];
  const steps = new StepRunColumns();
  for (const [id, events] of await store.readStreams(ids)) {
    const state = await foldExecution(configs, events);
    const wake = isTerminal(state.status) ? null : Math.floor(nextWake(state) ?? state.deadlineAt);
    rows.push(rowOf(id, partition, state, wake));
    steps.add(undefined, state);
  }
  return { rows, steps };
}
