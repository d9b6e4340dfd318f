import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { migrateEventStore } from '@batuta/event-store';
import { tenantPool } from '@batuta/service';
import type { Sight, TenantPool } from '@batuta/service';
import { createTestDatabase, templateFor, urlAs } from '@batuta/testing';
import type { TestDatabase } from '@batuta/testing';
import pg from 'pg';
import { countExecutions, listApprovals, listExecutions } from '../src/queries/list-sql.js';
import type { ApprovalFilters, ExecutionFilters, Statement } from '../src/queries/list-sql.js';
import { LIST_SCHEDULES } from '../src/queries/sql.js';

const ROWS = 40_000;
const TENANT = 'default';
const RARE = '00000000-0000-7000-8000-000000000001';

let database: TestDatabase;
let sql: pg.Client;
/** The pool for tenants' requests, as in the service. */
let pool: TenantPool;

/** Many ended executions of one tenant, few running ones, and waiting approvals. The filters name rare values. */
beforeAll(async () => {
  database = await createTestDatabase({ template: await templateFor('execution', migrateEventStore) });
  sql = new pg.Client({ connectionString: database.url });
  await sql.connect();
  pool = tenantPool(pg, 'execution', { connectionString: urlAs('execution', database.url), max: 1 });
  await sql.query(
    `INSERT INTO execution.orchestration_executions (id, trace_id, config_id, config_name, status, user_id, session_id,
       tenant_id, started_at, completed_at, created_at, created_by, config_version, partition, version, wake_at)
     SELECT md5(n::text)::uuid, md5(n::text), 'config-' || n % 20, 'name-' || n % 20,
       CASE WHEN n % 200 = 0 THEN 'running' ELSE 'completed' END, 'user-' || n % 50, 'session-' || n % 1000, '${TENANT}',
       now(), now(), timestamptz '2026-01-01' + n * interval '1 minute', 'user', 1, n % 16, 1,
       CASE WHEN n % 200 = 0 THEN 1 END
     FROM generate_series(1, ${ROWS}) AS n`,
  );
  await sql.query(
    `INSERT INTO execution.orchestration_step_runs (id, execution_id, step_index, step_id, step_name, status, dependencies,
       agent_id, version, approval_tenant_id, approval_requested_at, approval_message, approval_approvers,
       approval_config_id, approval_config_name)
     SELECT md5('s' || n)::uuid, md5(n::text)::uuid, 0, 'gate', 'Gate', 'running', '[]', '', 1, '${TENANT}',
       timestamptz '2026-01-01' + n * interval '1 minute', 'Pay?',
       CASE WHEN n % 100 = 0 THEN NULL ELSE jsonb_build_array('user-' || n % 500) END, 'config-' || n % 400,
       'name-' || n % 400
     FROM generate_series(1, ${ROWS}) AS n`,
  );
  await sql.query(
    `INSERT INTO execution.streams (id, partition, kind, tenant_id, name, config_id, status, version, created_at, view)
     SELECT md5('t' || n)::uuid, n % 16, 'schedule', '${TENANT}', 'schedule-' || n, 'config-' || n % 400,
       CASE WHEN n % 100 = 0 THEN 'paused' ELSE 'active' END, 1, n, '{}'
     FROM generate_series(1, ${ROWS}) AS n`,
  );
  await sql.query('ANALYZE execution.orchestration_executions, execution.orchestration_step_runs, execution.streams');
});

afterAll(async () => {
  await pool?.end();
  await sql?.end();
  await database?.drop();
});

interface Plan {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Actual Rows'?: number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly Plan[];
}

interface Explained {
  readonly indexes: readonly string[];
  readonly scanned: readonly string[];
  /** Rows that were read but not used. */
  readonly wasted: number;
  readonly rows: number;
}

async function explain({ text, values }: Statement, by?: Sight): Promise<Explained> {
  // The first parameter of each is the tenant.
  const { rows } = await pool
    .seen(by ?? { tenantId: String(values[0]) })
    .query<{ 'QUERY PLAN': readonly { Plan: Plan }[] }>(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values);
  const indexes: string[] = [];
  const scanned: string[] = [];
  let wasted = 0;
  const visit = (plan: Plan): void => {
    if (plan['Index Name'] !== undefined) indexes.push(plan['Index Name']);
    if (plan['Node Type'] === 'Seq Scan') scanned.push(plan['Relation Name'] ?? '');
    wasted += plan['Rows Removed by Filter'] ?? 0;
    for (const child of plan.Plans ?? []) visit(child);
  };
  const root = rows[0]?.['QUERY PLAN'][0]?.Plan;
  if (root === undefined) throw new Error('no plan');
  visit(root);
  return { indexes, scanned, wasted, rows: root['Actual Rows'] ?? 0 };
}

const executions = (filters: Partial<ExecutionFilters>): Statement =>
  listExecutions({ tenantId: TENANT, statuses: [], limit: 51, ...filters });
const approvals = (filters: Partial<ApprovalFilters>): Statement =>
  listApprovals({ tenantId: TENANT, limit: 51, ...filters });

const time = (text: string): number => Date.parse(text);

describe('each filter of the list of executions', () => {
  it.each<[string, Partial<ExecutionFilters>, string, number]>([
    ['nothing', {}, 'orchestration_executions_listed', 51],
    ['a tenant without any', { tenantId: 'nobody' }, 'orchestration_executions_listed', 0],
    ['config_id', { configId: 'config-7' }, 'orchestration_executions_by_config', 51],
    ['a config_id without any', { configId: RARE }, 'orchestration_executions_by_config', 0],
    ['the name of a config', { configName: 'nobody' }, 'orchestration_executions_by_config_name', 0],
    ['user', { userId: 'nobody' }, 'orchestration_executions_by_user', 0],
    ['session_id', { sessionId: 'session-3' }, 'orchestration_executions_by_session', 40],
    ['a session_id without any', { sessionId: 'none' }, 'orchestration_executions_by_session', 0],
    ['a parent_id without any', { parentId: RARE }, 'events_by_parent', 0],
    ['status failed', { statuses: ['failed'] }, 'orchestration_executions_by_status', 0],
    ['a status that most have', { statuses: ['completed'] }, 'orchestration_executions_listed', 51],
    ['several statuses', { statuses: ['failed', 'cancelled', 'paused'] }, 'orchestration_executions_by_status', 0],
    ['status running', { statuses: ['running'] }, 'unfinished_executions_by_status', 51],
    ['created_from', { createdFrom: time('2030-01-01T00:00:00Z') }, 'orchestration_executions_listed', 0],
    ['created_to', { createdTo: time('2026-01-01T00:10:00Z') }, 'orchestration_executions_listed', 9],
    [
      'the page after another',
      { userId: 'user-3', after: { createdAt: time('2026-01-02T00:00:00Z'), id: RARE } },
      'orchestration_executions_by_user',
      29,
    ],
  ])('has an index for %s, and reads little beside what it shows', async (_name, filters, index, rows) => {
    const found = await explain(executions(filters));
    expect(found.indexes).toContain(index);
    expect(found.scanned).not.toContain('orchestration_executions');
    expect(found.rows).toBe(rows);
    // At most the executions that have not ended.
    expect(found.wasted).toBeLessThanOrEqual(ROWS / 200);
  });
});

const ids = async (filters: Partial<ExecutionFilters>): Promise<string[]> =>
  (await sql.query<{ id: string }>(executions(filters))).rows.map(({ id }) => id);
const total = async (filters: Partial<ExecutionFilters>): Promise<number | undefined> =>
  (await sql.query<{ total: number }>(countExecutions({ tenantId: TENANT, statuses: [], limit: 1, ...filters })))
    .rows[0]?.total;

describe('a list of executions by offset', () => {
  it.each<[string, Partial<ExecutionFilters>, number]>([
    ['everything', { createdTo: time('2026-01-01T02:00:00Z') }, 119],
    ['those of a user, ended and not', { userId: 'user-0', createdTo: time('2026-01-02T00:00:00Z') }, 28],
    ['several statuses', { statuses: ['completed', 'running'], configId: 'config-0', sessionId: 'session-200' }, 40],
  ])('passes over as many as it says, and counts all: %s', async (_name, filters, all) => {
    const whole = await ids({ ...filters, limit: 200 });
    expect(whole).toHaveLength(all);
    const pages: string[] = [];
    for (let offset = 0; offset < all + 7; offset += 7) pages.push(...(await ids({ ...filters, limit: 7, offset })));
    expect(pages).toEqual(whole);
    expect(await total(filters)).toBe(all);
    // A page's position in the list does not change the total.
    expect(await total({ ...filters, after: { createdAt: time('2026-01-01T00:30:00Z'), id: RARE } })).toBe(all);
  });

  it('counts by status and by tenant', async () => {
    expect(await total({ statuses: ['running', 'paused'] })).toBe(200);
    expect(await total({ statuses: ['completed'] })).toBe(39_800);
    expect(await total({})).toBe(ROWS);
    expect(await total({ tenantId: 'nobody', userId: 'user-0' })).toBe(0);
  });

  it.each<[string, Partial<ExecutionFilters>, string]>([
    ['config_id', { configId: RARE }, 'orchestration_executions_by_config'],
    ['user', { userId: 'nobody' }, 'orchestration_executions_by_user'],
    ['session_id', { sessionId: 'session-3' }, 'orchestration_executions_by_session'],
    ['status', { statuses: ['failed'] }, 'orchestration_executions_by_status'],
  ])('counts by the index of %s', async (_name, filters, index) => {
    const found = await explain(countExecutions({ tenantId: TENANT, statuses: [], limit: 1, ...filters }));
    expect(found.indexes).toContain(index);
    expect(found.scanned).not.toContain('orchestration_executions');
    expect(found.wasted).toBeLessThanOrEqual(ROWS / 200);
  });
});

describe('each filter of the list of approvals', () => {
  it.each<[string, Partial<ApprovalFilters>, string, number]>([
    ['nothing', {}, 'orchestration_step_runs_approvals', 51],
    ['config_id', { configId: 'config-7' }, 'orchestration_step_runs_approvals_by_config', 51],
    ['a config_id without any', { configId: RARE }, 'orchestration_step_runs_approvals_by_config', 0],
    ['the name of a config', { configName: 'nobody' }, 'orchestration_step_runs_approvals_by_config_name', 0],
    ['execution_id', { executionId: RARE }, 'orchestration_step_runs_pkey', 0],
    ['approver', { approver: 'user-7' }, 'orchestration_step_runs_approvals_by_approver', 51],
    ['an approver of none', { approver: 'nobody' }, 'orchestration_step_runs_approvals_by_anybody', 51],
  ])('has an index for %s, and reads little beside what it shows', async (_name, filters, index, rows) => {
    // Approvers are searched as for all tenants, and the results are read as the tenant sees them.
    const found = await explain(approvals(filters), filters.approver === undefined ? undefined : 'everybody');
    expect(found.indexes).toContain(index);
    expect(found.scanned).not.toContain('orchestration_step_runs');
    expect(found.rows).toBe(rows);
    expect(found.wasted).toBeLessThanOrEqual(ROWS / 200);
  });
});

describe('each filter of the list of schedules', () => {
  it.each<[string, string | null, string | null, string, number]>([
    ['nothing', null, null, 'streams_listed', 51],
    ['config_id', null, 'config-7', 'schedules_by_config_id', 51],
    ['a config_id without any', null, RARE, 'schedules_by_config_id', 0],
    ['status', 'paused', null, 'schedules_by_status', 51],
    ['a status that none has', 'finished', null, 'schedules_by_status', 0],
  ])('has an index for %s, and reads little beside what it shows', async (_name, status, configId, index, rows) => {
    const found = await explain({
      text: LIST_SCHEDULES,
      values: [TENANT, status, configId, null, null, 51, 1_000_000],
    });
    expect(found.indexes).toContain(index);
    expect(found.scanned).toEqual([]);
    expect(found.rows).toBe(rows);
    expect(found.wasted).toBeLessThanOrEqual(ROWS / 200);
  });
});

describe('the table of unfinished executions', () => {
  const FIELDS = 'id, tenant_id, config_id, config_name, user_id, session_id, status, created_at';
  /** How many rows only one of the two tables has, and how many both have. */
  const compared = async (): Promise<{ different: number; same: number }> => {
    const kept = `SELECT ${FIELDS} FROM execution.unfinished_executions`;
    const real = `SELECT ${FIELDS} FROM execution.orchestration_executions WHERE wake_at IS NOT NULL`;
    const { rows } = await sql.query<{ different: number; same: number }>(
      `SELECT (SELECT count(*) FROM ((${kept} EXCEPT ${real}) UNION ALL (${real} EXCEPT ${kept})) AS d)::int AS different,
         (SELECT count(*) FROM (${kept} INTERSECT ${real}) AS s)::int AS same`,
    );
    return rows[0]!;
  };
  const change = async (text: string): Promise<number> => (await sql.query(text)).rowCount ?? 0;
  const TABLE = 'execution.orchestration_executions';

  it('follows each change of an execution', async () => {
    expect(await compared()).toEqual({ different: 0, same: 200 });
    const open = `SELECT id FROM ${TABLE} WHERE wake_at IS NOT NULL ORDER BY created_at`;
    expect(await change(`UPDATE ${TABLE} SET status = 'paused' WHERE id IN (${open} LIMIT 40)`)).toBe(40);
    expect(await change(`UPDATE ${TABLE} SET wake_at = 99, version = 7 WHERE id IN (${open} LIMIT 50)`)).toBe(50);
    expect(await compared()).toEqual({ different: 0, same: 200 });
    expect(await total({ statuses: ['paused'] })).toBe(40);
    expect(await ids({ statuses: ['paused'], limit: 200 })).toHaveLength(40);
    const ended = `SET status = 'completed', wake_at = NULL`;
    expect(await change(`UPDATE ${TABLE} ${ended} WHERE id IN (${open} DESC LIMIT 30)`)).toBe(30);
    expect(await compared()).toEqual({ different: 0, same: 170 });
    // A restored execution, or a read model that is written again, may open a row that had ended.
    const opened = `SELECT id FROM ${TABLE} WHERE wake_at IS NULL ORDER BY created_at DESC LIMIT 25`;
    expect(await change(`UPDATE ${TABLE} SET status = 'running', wake_at = 5 WHERE id IN (${opened})`)).toBe(25);
    expect(await change(`DELETE FROM ${TABLE} WHERE id IN (${open} LIMIT 5)`)).toBe(5);
    expect(await compared()).toEqual({ different: 0, same: 190 });
  });

  it('gets the executions that started before it existed', async () => {
    await sql.query('DELETE FROM execution.unfinished_executions');
    await sql.query('DELETE FROM execution.migrations WHERE version = 19');
    await migrateEventStore(database.url);
    expect(await compared()).toEqual({ different: 0, same: 190 });
  });

  it('shows a page among many unfinished executions without reading them all', async () => {
    const opened = `SELECT id FROM ${TABLE} WHERE wake_at IS NULL LIMIT 20000`;
    await change(`UPDATE ${TABLE} SET status = 'running', wake_at = 5 WHERE id IN (${opened})`);
    await sql.query(`ANALYZE ${TABLE}, execution.unfinished_executions`);
    for (const [filters, index] of [
      // Most have this status, so the index without it serves as well.
      [{ statuses: ['running'] }, 'unfinished_executions_by_age'],
      [{ statuses: ['compensation'] }, 'unfinished_executions_by_status'],
      [{ userId: 'user-7' }, 'unfinished_executions_by_user'],
      [{ sessionId: 'session-3' }, 'unfinished_executions_by_session'],
      [{ configId: 'config-7' }, 'unfinished_executions_by_config'],
      [{ configName: 'name-7' }, 'unfinished_executions_by_config_name'],
    ] as [Partial<ExecutionFilters>, string][]) {
      const found = await explain(executions(filters));
      expect(found.indexes).toContain(index);
      expect(found.scanned).not.toContain('orchestration_executions');
      expect(found.wasted).toBeLessThanOrEqual(ROWS / 200);
    }
  });

  it('is emptied with the executions', async () => {
    await sql.query('BEGIN');
    await sql.query(`TRUNCATE ${TABLE}`);
    expect(await compared()).toEqual({ different: 0, same: 0 });
    await sql.query('ROLLBACK');
  });
});

describe('the indexes of lists', () => {
  it('are built beside running work where tables are there already, and again where a build was cut short', async () => {
    const names = (): Promise<string[]> =>
      sql
        .query<{ name: string }>(
          `SELECT c.relname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
           WHERE c.relnamespace = 'execution'::regnamespace AND c.relname LIKE '%\\_by\\_%' AND i.indisvalid
             AND c.relname NOT LIKE 'unfinished%'
           ORDER BY c.relname`,
        )
        .then(({ rows }) => rows.map(({ name }) => name));
    const all = await names();
    expect(all).toHaveLength(12);
    await sql.query(
      'DROP INDEX execution.orchestration_executions_by_user, execution.orchestration_executions_by_status',
    );
    await sql.query(
      `UPDATE pg_index SET indisvalid = false
       WHERE indexrelid = 'execution.orchestration_step_runs_approvals_by_config'::regclass`,
    );
    await Promise.all([migrateEventStore(database.url), migrateEventStore(database.url)]);
    // One of the two may have left a build to the other.
    await migrateEventStore(database.url);
    expect(await names()).toEqual(all);
  });
});
