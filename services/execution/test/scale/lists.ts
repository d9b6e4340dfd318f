// Measures every documented filter of the lists of executions and approvals on many rows:
//   npm run measure:lists                            a million rows; takes some minutes, and 2 GiB of disk
//   BATUTA_LIST_ROWS=100000 npm run measure:lists
// As the service asks for a tenant, under row level security, and beside it as an administrator without.
// Ends with code 1 when the 95th percentile of a page is above 20 ms.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrateEventStore } from '@batuta/event-store';
import { tenantPool } from '@batuta/service';
import type { Queryable } from '@batuta/service';
import { databaseUrlOf, Secret } from '@batuta/settings';
import { startPostgres } from '@batuta/testing';
import pg from 'pg';
import { listApprovals, listExecutions } from '../../src/queries/list-sql.js';
import type { Statement } from '../../src/queries/list-sql.js';

const ROWS = Number(process.env['BATUTA_LIST_ROWS'] ?? 1_000_000);
const PAGES = 100;
const MOST_MS = 20;
const TENANT = 'default';
const NEWEST = Date.now();
const OLDEST = NEWEST - ROWS * 1_000;

/** One in 500 is open, 3 % have failed. One of ten tenants has nine tenths. */
const FILL = `
INSERT INTO execution.orchestration_executions (id, trace_id, config_id, config_name, status, user_id, session_id, tenant_id,
  started_at, completed_at, created_at, created_by, config_version, partition, version, wake_at)
SELECT md5(n::text)::uuid, md5(n::text), 'config-' || n % 50, 'name-' || n % 50,
  CASE WHEN n % 1000 = 0 THEN 'running' WHEN n % 1000 = 1 THEN 'paused' WHEN n % 100 < 3 THEN 'failed'
    WHEN n % 100 = 3 THEN 'cancelled' ELSE 'completed' END,
  'user-' || n % 500, 'session-' || n % 20000, CASE WHEN n % 10 = 9 THEN 'tenant-' || n % 90 ELSE '${TENANT}' END,
  now(), now(), to_timestamp($1::float8 / 1000 + n), 'user', 1, n % 64, 1, CASE WHEN n % 1000 < 2 THEN 1 END
FROM generate_series($2::int, $3::int) AS n`;

const FILL_APPROVALS = `
INSERT INTO execution.orchestration_step_runs (id, execution_id, step_index, step_id, step_name, status, dependencies, agent_id,
  version, approval_tenant_id, approval_requested_at, approval_message, approval_approvers, approval_config_id, approval_config_name)
SELECT md5('s' || n)::uuid, md5(n::text)::uuid, 0, 'gate', 'Gate', 'running', '[]', '', 1, '${TENANT}',
  to_timestamp($1::float8 / 1000 + n), 'Pay?', CASE WHEN n % 10 = 0 THEN NULL ELSE jsonb_build_array('user-' || n % 500) END,
  'config-' || n % 50, 'name-' || n % 50
FROM generate_series(1, $2::int) AS n`;

const some = (place: number): { createdAt: number; id: string } => ({
  createdAt: OLDEST + ((place * 7_919) % ROWS) * 1_000,
  id: 'ffffffff-ffff-ffff-ffff-ffffffffffff',
});
const executions = { tenantId: TENANT, statuses: [], limit: 51 } as const;
const approvals = { tenantId: TENANT, limit: 51 } as const;

/** By name: the statement of the page at a position, for the first page and for pages anywhere in the list. */
const LISTS: Readonly<Record<string, (place: number) => Statement>> = {
  'executions, no filter': (n) => listExecutions({ ...executions, after: n === 0 ? undefined : some(n) }),
  'executions of a config': (n) => listExecutions({ ...executions, configId: `config-${n % 50}`, after: some(n) }),
  'executions of a config’s name': (n) =>
    listExecutions({ ...executions, configName: `name-${n % 50}`, after: some(n) }),
  'executions of a user': (n) => listExecutions({ ...executions, userId: `user-${n % 500}`, after: some(n) }),
  'executions of a session': (n) => listExecutions({ ...executions, sessionId: `session-${n}`, after: some(n) }),
  'status completed': (n) => listExecutions({ ...executions, statuses: ['completed'], after: some(n) }),
  'status failed': (n) => listExecutions({ ...executions, statuses: ['failed'], after: some(n) }),
  'status cancelled': (n) => listExecutions({ ...executions, statuses: ['cancelled'], after: some(n) }),
  'status running': (n) => listExecutions({ ...executions, statuses: ['running'], after: some(n) }),
  'status paused': (n) => listExecutions({ ...executions, statuses: ['paused'], after: some(n) }),
  'several statuses': (n) =>
    listExecutions({ ...executions, statuses: ['running', 'failed', 'paused'], after: some(n) }),
  created_from: (n) => listExecutions({ ...executions, createdFrom: some(n).createdAt }),
  created_to: (n) => listExecutions({ ...executions, createdTo: some(n).createdAt }),
  'a user’s failed ones of a config': (n) =>
    listExecutions({ ...executions, userId: `user-${n % 500}`, configId: `config-${n % 50}`, statuses: ['failed'] }),
  'a tenant without any': () => listExecutions({ ...executions, tenantId: 'nobody' }),
  'approvals, no filter': (n) => listApprovals({ ...approvals, after: n === 0 ? undefined : some(n) }),
  'approvals of a config': (n) => listApprovals({ ...approvals, configId: `config-${n % 50}` }),
  'approvals of a config’s name': (n) => listApprovals({ ...approvals, configName: `name-${n % 50}` }),
  'approvals of an approver': (n) => listApprovals({ ...approvals, approver: `user-${n % 500}` }),
};

async function measured(queries: Queryable, statementOf: (place: number) => Statement) {
  const times: number[] = [];
  for (let place = 0; place < PAGES; place++) {
    const { text, values } = statementOf(place);
    const sent = performance.now();
    await queries.query(text, values);
    times.push(performance.now() - sent);
  }
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.min(PAGES - 1, Math.floor(PAGES * share))] ?? 0;
  return { median: at(0.5), p95: at(0.95) };
}

interface Explained {
  readonly Plan: { readonly 'Shared Hit Blocks': number; readonly 'Shared Read Blocks': number };
}

/** The most blocks of 8 KiB that a page touches. They show what a list reads, however busy the machine is. */
async function mostBlocks(client: Queryable, statementOf: (place: number) => Statement): Promise<number> {
  let most = 0;
  for (let place = 0; place < PAGES; place += 10) {
    const { text, values } = statementOf(place);
    const explain = `EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) ${text}`;
    const { rows } = await client.query<{ 'QUERY PLAN': readonly Explained[] }>(explain, values);
    const [explained] = rows[0]?.['QUERY PLAN'] ?? [];
    if (explained === undefined) throw new Error('PostgreSQL explained nothing');
    most = Math.max(most, explained.Plan['Shared Hit Blocks'] + explained.Plan['Shared Read Blocks']);
  }
  return most;
}

const home = await mkdtemp(join(tmpdir(), 'batuta-lists-'));
const server = await startPostgres({ home, ephemeral: true });
let slow = 0;
try {
  await migrateEventStore(server.environment.DATABASE_OWNER_URL);
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  const began = performance.now();
  const BATCH = 50_000;
  for (let from = 1; from <= ROWS; from += BATCH) {
    await client.query(FILL, [OLDEST, from, Math.min(ROWS, from + BATCH - 1)]);
  }
  const waiting = Math.min(10_000, ROWS);
  await client.query(FILL_APPROVALS, [OLDEST, waiting]);
  await client.query('VACUUM ANALYZE execution.orchestration_executions, execution.orchestration_step_runs');
  process.stdout.write(
    `${ROWS} executions and ${waiting} approvals in ${Math.round((performance.now() - began) / 1_000)} s\n`,
  );
  const databaseUrl = databaseUrlOf(
    {
      databaseUrl: new Secret(server.environment.DATABASE_URL),
      databasePasswordFile: server.environment.DATABASE_PASSWORD_FILE,
    },
    'execution',
  ).reveal();
  const pool = tenantPool(pg, 'execution', { connectionString: databaseUrl, max: 1 });
  process.stdout.write(
    'list                                  median ms   p95 ms   without: median   p95 ms   most blocks\n',
  );
  for (const [name, statementOf] of Object.entries(LISTS)) {
    // Approvers are searched as for all tenants; see `ExecutionQueries.approvals`.
    const seen = pool.seen(name.endsWith('approver') ? 'everybody' : { tenantId: String(statementOf(0).values[0]) });
    const [under, without] = [await measured(seen, statementOf), await measured(client, statementOf)];
    if (under.p95 > MOST_MS) slow += 1;
    const shown = [under.median, under.p95, without.median, without.p95].map((ms) => ms.toFixed(1).padStart(10));
    const blocks = String(await mostBlocks(client, statementOf)).padStart(13);
    process.stdout.write(`${name.padEnd(36)} ${shown.join(' ')} ${blocks}\n`);
  }
  await pool.end();
  await client.end();
} finally {
  await server.stop();
  await rm(home, { recursive: true, force: true });
}
if (slow > 0) {
  process.stderr.write(`${slow} lists take more than ${MOST_MS} ms for one page in twenty.\n`);
  process.exitCode = 1;
}
