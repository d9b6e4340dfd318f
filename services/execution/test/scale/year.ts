// A year with time compressed: executions are started and end at a steady rate on a real PostgreSQL and nats-server, a policy deletes
// what ended a "month" ago, and twelve months pass. Tells what an execution takes on disk before and after it is deleted, what that makes of a
// year at 10 executions a second, and whether the database stays as large as its executions.
//   npm run measure:year                             a month is 10 s, 40 executions a second; takes about three minutes
//   BATUTA_YEAR_ACTION=archive npm run measure:year  archives them first, in a directory
//   BATUTA_YEAR_MONTH_MS=30000 BATUTA_YEAR_RATE=60 npm run measure:year
// Ends with code 1 when deleting does not keep up, or when verify finds a difference.
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { operations } from '@batuta/contracts';
import type { RetentionPolicyReply } from '@batuta/contracts';
import { startPostgres } from '@batuta/testing';
import { readArchive } from '../../src/archive/archive-file.js';
import { DirectoryStore } from '../../src/archive/directory-store.js';
import { verifyExecutions } from '../../src/index.js';
import { TENANT, executionId, startRequest } from '../fixtures.js';
import { Platform } from '../platform.js';

const MONTH_MS = Number(process.env['BATUTA_YEAR_MONTH_MS'] ?? 10_000);
const RATE = Number(process.env['BATUTA_YEAR_RATE'] ?? 40);
const ARCHIVES = process.env['BATUTA_YEAR_ACTION'] === 'archive';
const MONTHS = 12;
const TICK_MS = 100;
/** Executions in a year at 10 a second, and in 30 days. */
const YEAR = 10 * 60 * 60 * 24 * 365;
const THIRTY_DAYS = 10 * 60 * 60 * 24 * 30;
/** Allowance for deletion in batches, and for the machine. */
const SLACK = 1.5;

const SIZES = `
SELECT c.relname AS name, pg_total_relation_size(c.oid)::float8 AS bytes FROM pg_class c
WHERE c.relkind = 'r' AND c.relnamespace = 'execution'::regnamespace`;
const COUNTS = `
SELECT (SELECT count(*) FROM execution.orchestration_executions)::int AS live,
  (SELECT count(*) FROM execution.events WHERE type = 'ExecutionDeleted')::int AS deleted,
  (SELECT coalesce(max(extract(epoch FROM now() - completed_at) * 1000), 0) FROM execution.orchestration_executions
    WHERE wake_at IS NULL)::float8 AS "oldestMs"`;

const out = (line = ''): void => void process.stdout.write(`${line}\n`);
const kib = (bytes: number): string => `${(bytes / 1024).toFixed(1)} KiB`;
const gib = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(0)} GiB`;

const home = await mkdtemp(join(tmpdir(), 'batuta-year-'));
const server = await startPostgres({ home, ephemeral: true });
process.env['BATUTA_TEST_DATABASE_URL'] = server.url;
process.env['BATUTA_TEST_DATABASE_PASSWORDS'] = server.environment.DATABASE_PASSWORD_FILE;
const archive = join(home, 'archive');
await mkdir(archive);
const platform = await Platform.start();
let failed = false;
const fail = (what: string): void => {
  out(`! ${what}`);
  failed = true;
};
const sizes = async (full: boolean): Promise<Map<string, number>> => {
  await platform.sql.query(full ? 'VACUUM (FULL, ANALYZE)' : 'VACUUM (ANALYZE)');
  const { rows } = await platform.sql.query<{ name: string; bytes: number }>(SIZES);
  return new Map(rows.map(({ name, bytes }) => [name, bytes]));
};
const sum = (found: ReadonlyMap<string, number>): number => [...found.values()].reduce((a, b) => a + b, 0);
const counts = async (): Promise<{ live: number; deleted: number; oldestMs: number }> => {
  const { rows } = await platform.sql.query<{ live: number; deleted: number; oldestMs: number }>(COUNTS);
  return rows[0] ?? { live: 0, deleted: 0, oldestMs: 0 };
};
const principal = { tenantId: TENANT, userId: 'ann', role: 'admin', keyId: 'k' } as const;
let started = 0;
/** Starts executions at the rate for this time, whether earlier ones have ended or not. */
async function work(forMs: number): Promise<number[]> {
  const times: number[] = [];
  const open: Promise<unknown>[] = [];
  const began = performance.now();
  for (let sent = 0; performance.now() - began < forMs;) {
    const due = Math.min(((performance.now() - began) * RATE) / 1_000, (forMs * RATE) / 1_000);
    for (; sent < due; sent += 1) {
      const at = performance.now();
      started += 1;
      open.push(platform.command(startRequest(executionId(), 'three')).then(() => times.push(performance.now() - at)));
    }
    await delay(TICK_MS);
  }
  await Promise.all(open);
  return times.sort((a, b) => a - b);
}
const ended = async (): Promise<void> => {
  const open = 'SELECT FROM execution.orchestration_executions WHERE wake_at IS NOT NULL LIMIT 1';
  while ((await platform.sql.query(open)).rows.length > 0) await delay(TICK_MS);
  // Step runs are written a moment later.
  await delay(2_000);
};

try {
  await platform.execution('one', {
    BATUTA_EXECUTION_RETENTION_EVERY: '500ms',
    BATUTA_EXECUTION_RETENTION_RATE: '1000',
    BATUTA_ARCHIVE_URL: pathToFileURL(archive).href,
  });
  await platform.run();
  const empty = sum(await sizes(true));
  await work(MONTH_MS * 2);
  await ended();
  const { live } = await counts();
  const tables = await sizes(true);
  const each = (sum(tables) - empty) / live;
  out(`${live} executions of three steps: ${kib(each)} each on disk, with indexes`);
  for (const [name, bytes] of [...tables].sort((a, b) => b[1] - a[1]).slice(0, 4)) {
    out(`  ${name}: ${kib(bytes / live)}`);
  }

  const put = await platform.control.request<RetentionPolicyReply>(operations.retentionPolicies.put.subject, {
    principal,
    name: 'month',
    body: { older_than_ms: MONTH_MS, action: ARCHIVES ? 'archive' : 'delete' },
  });
  if (put.policy === undefined) throw new Error(JSON.stringify(put.refused));
  out();
  out(
    `${MONTHS} months of ${MONTH_MS / 1000} s at ${RATE} a second; whatever ended a month ago is ${ARCHIVES ? 'archived' : 'deleted'}`,
  );
  out('month  started  live  deleted  oldest  disk after vacuum  p50/p95 of a start');
  for (let month = 1; month <= MONTHS; month += 1) {
    const times = await work(MONTH_MS);
    const now = await counts();
    const disk = sum(await sizes(false));
    const at = (share: number): string => (times[Math.floor(times.length * share)] ?? 0).toFixed(1);
    out(
      `${String(month).padStart(5)}  ${String(started).padStart(7)}  ${String(now.live).padStart(4)}  ${String(now.deleted).padStart(7)}  ` +
        `${(now.oldestMs / MONTH_MS).toFixed(2).padStart(6)}  ${`${(disk / 1024 ** 2).toFixed(1)} MiB`.padStart(17)}  ${at(0.5)}/${at(0.95)} ms`,
    );
    if (month > 1 && now.live > (RATE * MONTH_MS * SLACK) / 1_000) {
      fail(`${now.live} executions are kept, ${(RATE * MONTH_MS) / 1_000} ended in a month`);
    }
  }
  await ended();
  const until = performance.now() + MONTH_MS * 3;
  while ((await counts()).live > 0 && performance.now() < until) await delay(500);
  const last = await counts();
  if (last.live > 0) fail(`${last.live} executions are left`);
  const left = (sum(await sizes(true)) - empty) / last.deleted;
  out();
  out(`${last.deleted} deleted executions: ${kib(left)} each is left`);
  await verifyExecutions(platform.database.url, 'all', ({ executionId: id, where, what }) =>
    fail(`${id} ${where} ${what}`),
  );

  let archivedEach = 0;
  if (ARCHIVES) {
    const store = new DirectoryStore(archive);
    const ids = new Set<string>();
    let files = 0;
    let bytes = 0;
    for await (const name of store.list(TENANT)) {
      const file = await readFile(join(archive, name));
      files += 1;
      bytes += file.length;
      for await (const { executionId: id, problems } of readArchive(file)) {
        ids.add(id);
        for (const problem of problems) fail(`${id} ${problem}`);
      }
    }
    if (ids.size < last.deleted) fail(`${last.deleted} executions are deleted, ${ids.size} are in the archive`);
    archivedEach = bytes / ids.size;
    out(`${ids.size} executions in ${files} archive files: ${kib(archivedEach)} each, compressed`);
  }

  out();
  out(
    `a year at 10 a second: ${(YEAR / 1e6).toFixed(0)} million executions, of which 30 days are ${(THIRTY_DAYS / 1e6).toFixed(0)} million`,
  );
  out(`  kept for ever: ${gib(YEAR * each)}`);
  out(
    `  with a policy of 30 days: ${gib(THIRTY_DAYS * each)}, and ${gib((YEAR - THIRTY_DAYS) * left)} of what deleted ones leave`,
  );
  if (ARCHIVES) out(`  in the archive: ${gib((YEAR - THIRTY_DAYS) * archivedEach)}`);
} finally {
  await platform.end();
  await server.stop();
  await rm(home, { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;
