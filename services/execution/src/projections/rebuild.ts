import { migrateEventStore, seeAllTenants } from '@batuta/event-store';
import pg from 'pg';
import type { ExecutionRow } from '../store/port.js';
import { encodeExecutionRows } from '../store/postgres/execution-rows.js';
import { PostgresExecutionStore } from '../store/postgres/postgres-execution-store.js';
import { isTerminal, nextWake } from '../domain/index.js';
import { rowOf } from '../partitions/lane/batch.js';
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
  WRITE_EXECUTIONS,
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
      for (let after: string | null = null; ;) {
        const client = await pool.connect();
        try {
          await client.query('BEGIN');
          const { rows: held } = await client.query<{ last_position: string }>(HOLD_PARTITION, [partition]);
          const { rows: page }: { rows: { id: string }[] } = await client.query(EXECUTIONS_OF_PARTITION, [
            partition,
            after,
            PAGE,
          ]);
          const ids = page.map((row) => row.id);
          const histories = await store.readStreams(ids);
          const rows: ExecutionRow[] = [];
          const steps = new StepRunColumns();
          for (const [id, events] of histories) {
            const state = await foldExecution(configs, events);
            const wake = isTerminal(state.status) ? null : Math.floor(nextWake(state) ?? state.deadlineAt);
            rows.push(rowOf(id, partition, state, wake));
            steps.add(undefined, state);
          }
          await client.query(WRITE_EXECUTIONS, [encodeExecutionRows(rows)]);
          await client.query(REMOVE_STEP_RUNS, [ids]);
          const last = ids.length < PAGE;
          await client.query(PROJECT_STEP_RUNS, [
            ...steps.values,
            last ? [partition] : [],
            last ? [held[0]?.last_position ?? 0] : [],
          ]);
          await client.query('COMMIT');
          executions += rows.length;
          stepRuns += steps.size;
          onProgress({ executions, stepRuns });
          if (last) break;
          after = ids.at(-1) ?? null;
        } catch (error) {
          await client.query('ROLLBACK').catch(() => undefined);
          throw error;
        } finally {
          client.release();
        }
      }
    }
    await pool.query(REMOVE_SNAPSHOTS);
    await pool.query(REMOVE_STRAY_EXECUTIONS);
    await pool.query(REMOVE_STRAY_STEP_RUNS);
    return { executions, stepRuns };
  } finally {
    await pool.end();
    await store.close();
  }
}
