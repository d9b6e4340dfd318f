import { setTimeout as delay } from 'node:timers/promises';
import { isConcurrentSchemaChange } from '@batuta/contracts';
import type { Client } from 'pg';

interface Index {
  readonly name: string;
  /** The part after ON. */
  readonly on: string;
}

const executions = (name: string, column: string, more = ''): Index => ({
  name: `orchestration_executions_by_${name}`,
  on: `execution.orchestration_executions (tenant_id, ${column}, created_at DESC, id DESC) WHERE wake_at IS NULL${more}`,
});

const approvals = (name: string, columns: string, more = ''): Index => ({
  name: `orchestration_step_runs_approvals_by_${name}`,
  on: `execution.orchestration_step_runs ${columns} WHERE approval_requested_at IS NOT NULL${more}`,
});

const schedules = (column: string): Index => ({
  name: `schedules_by_${column}`,
  on: `execution.streams (tenant_id, ${column}, created_at DESC, id DESC) WHERE kind = 'schedule'`,
});

/**
 * One index for each filter of a list. They contain ended executions only (the others have a wake-up). A row enters
 * them once, with the commit that ends it, so earlier commits do not pay for them.
 */
const LIST_INDEXES: readonly Index[] = [
  // First index: deleted executions whose data are still to be removed. The next ones: the remains of the others, by
  // tenant and by trace.
  {
    name: 'orchestration_executions_deleted',
    on: `execution.orchestration_executions (partition, id) WHERE status = 'deleted'`,
  },
  {
    name: 'events_deleted',
    on: `execution.events ((data->>'tenantId'), (data->>'traceId'), execution_id) WHERE type = 'ExecutionDeleted'`,
  },
  // The starts of executions that are steps of another one.
  {
    name: 'events_by_parent',
    on: `execution.events ((data->'parent'->>'executionId')) WHERE type = 'ExecutionStarted' AND data ? 'parent'`,
  },
  executions('config', 'config_id'),
  executions('config_name', 'config_name'),
  executions('user', 'user_id'),
  executions('session', 'session_id', ' AND session_id IS NOT NULL'),
  executions('status', 'status'),
  approvals('config', '(approval_tenant_id, approval_config_id, approval_requested_at, id)'),
  approvals('config_name', '(approval_tenant_id, approval_config_name, approval_requested_at, id)'),
  approvals('anybody', '(approval_tenant_id, approval_requested_at, id)', ' AND approval_approvers IS NULL'),
  approvals('approver', 'USING gin (approval_approvers)'),
  schedules('config_id'),
  schedules('status'),
];

/** Run in the transaction that creates the tables, which nothing else uses yet. */
export const NEW_LIST_INDEXES: readonly string[] = LIST_INDEXES.map(({ name, on }) => `CREATE INDEX ${name} ON ${on}`);

/**
 * Codes that another process causes by building the same index: a deadlock of two builds, and an index that exists by
 * now.
 */
const ANOTHER_BUILDS: ReadonlySet<string> = new Set(['40P01', '23505', '42P07']);
const AGAIN_MS = 500;

const STATES = `
SELECT c.relname AS name, i.indisvalid AS valid,
  EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = c.oid) AS building
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = 'execution'::regnamespace AND c.relname = ANY($1)`;

/**
 * Builds missing indexes without locking the tables, so that the previous version can go on. An index whose build was
 * interrupted is built again. Throws what PostgreSQL reports.
 */
export async function buildListIndexes(client: Client): Promise<void> {
  const names = LIST_INDEXES.map(({ name }) => name);
  for (;;) {
    const { rows } = await client.query<{ name: string; valid: boolean; building: boolean }>(STATES, [names]);
    const states = new Map(rows.map((row) => [row.name, row]));
    // Skips an index that another process is building now.
    const missing = LIST_INDEXES.find(({ name }) => {
      const state = states.get(name);
      return state === undefined || (!state.valid && !state.building);
    });
    if (missing === undefined) return;
    try {
      if (states.has(missing.name)) await client.query(`DROP INDEX CONCURRENTLY IF EXISTS execution.${missing.name}`);
      await client.query(`CREATE INDEX CONCURRENTLY ${missing.name} ON ${missing.on}`);
    } catch (error) {
      const another = ANOTHER_BUILDS.has((error as { code?: string }).code ?? '') || isConcurrentSchemaChange(error);
      if (!another) throw error;
      await delay(AGAIN_MS);
    }
  }
}
