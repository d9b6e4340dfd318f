// Measures what lists cost the commits of executions, in one run: as it is, without the table of unfinished executions, and with
// indexes over all rows instead of that table:
//   npm run measure:commits
//   BATUTA_COMMIT_EXECUTIONS=20000 npm run measure:commits
// Each round starts executions, changes each of them several times and ends it, as the engine does: sixteen to a commit. A
// busy machine changes the times. It does not change the bytes of WAL, and hardly the CPU time of PostgreSQL.
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrateEventStore } from '@batuta/event-store';
import type { CommitOutcome } from '@batuta/event-store';
import { startPostgres } from '@batuta/testing';
import pg from 'pg';
import type { ExecutionLane, ExecutionProgress, ExecutionRow } from '../../src/store/port.js';
import { PostgresExecutionStore } from '../../src/store/postgres/postgres-execution-store.js';

const EXECUTIONS = Number(process.env['BATUTA_COMMIT_EXECUTIONS'] ?? 8_000);
const TOGETHER = 16;
const CHANGES = 6;
const ROUNDS = 3;
const TICKS_A_SECOND = 100;
const OWNER = 'measured';
const TABLE = 'execution.orchestration_executions';
const COLUMNS = ['config_id', 'config_name', 'user_id', 'session_id', 'status'];
const CREATE_WHOLE = COLUMNS.map(
  (column) => `CREATE INDEX whole_${column} ON ${TABLE} (tenant_id, ${column}, created_at DESC, id DESC)`,
);
const DROP_WHOLE = COLUMNS.map((column) => `DROP INDEX IF EXISTS execution.whole_${column}`);
const KINDS: Readonly<Record<string, readonly string[]>> = {
  'as it is': [...DROP_WHOLE, `ALTER TABLE ${TABLE} ENABLE TRIGGER USER`],
  'without unfinished_executions': [...DROP_WHOLE, `ALTER TABLE ${TABLE} DISABLE TRIGGER USER`],
  'indexes over all rows instead': [...DROP_WHOLE, `ALTER TABLE ${TABLE} DISABLE TRIGGER USER`, ...CREATE_WHOLE],
};
const LANES = `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`;

interface Cost {
  readonly walBytes: number;
  readonly cpuMs: number;
  readonly ms: number;
}

const now = Date.now();
const progress = (version: number, ended: boolean): ExecutionProgress => ({
  status: ended ? 'completed' : 'running',
  version,
  wakeAt: ended ? null : now + version * 1_000,
  output: undefined,
  startedAt: now,
  pausedAt: null,
  completedAt: ended ? now : null,
  totalLatencyMs: null,
  estimatedCost: 0,
  tokenCount: 0,
});
const rowOf = (id: string, place: number): ExecutionRow => ({
  id,
  partition: 0,
  traceId: id,
  configId: `config-${place % 50}`,
  configName: `name-${place % 50}`,
  configVersion: 1,
  tenantId: 'default',
  userId: `user-${place % 500}`,
  sessionId: `session-${place % 2_000}`,
  createdBy: 'user',
  callbackUrl: null,
  input: null,
  metadata: null,
  createdAt: now + place,
  progress: progress(1, false),
});

/** CPU time of the server's processes for this database, by Linux's count. */
async function cpuMs(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>(LANES);
  let ticks = 0;
  for (const { pid } of rows) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    const [user = '0', system = '0'] = stat.slice(stat.lastIndexOf(')')).split(' ').slice(12, 14);
    ticks += Number(user) + Number(system);
  }
  return (ticks * 1_000) / TICKS_A_SECOND;
}

const lsn = async (client: pg.Client): Promise<number> => {
  const { rows } = await client.query<{ bytes: string }>(`SELECT pg_current_wal_lsn() - '0/0'::pg_lsn AS bytes`);
  return Number(rows[0]?.bytes);
};

class Writer {
  #position = 0;
  constructor(
    readonly lane: ExecutionLane,
    readonly epoch: number,
    position: number,
  ) {
    this.#position = position;
  }

  async commit(version: number, ids: readonly string[], from: number): Promise<void> {
    const outcome: CommitOutcome = await this.lane.commit({
      partitions: [
        { partition: 0, epoch: this.epoch, lastPosition: this.#position, publishedPosition: this.#position },
      ],
      events: ids.map((id) => ({
        partition: 0,
        executionId: id,
        version,
        type: 'StepCompleted',
        commandId: `${id}:${version}`,
        at: now,
        data: '{"stepId":"one"}',
        link: '00'.repeat(32),
      })),
      started: version === 1 ? ids.map((id, place) => rowOf(id, from + place)) : [],
      changed:
        version === 1 ? [] : ids.map((id) => ({ id, partition: 0, progress: progress(version, version > CHANGES) })),
    });
    const held = outcome.kind === 'committed' && outcome.held.has(0);
    if (!held) throw new Error(`not committed: ${JSON.stringify(outcome)}`);
    this.#position += ids.length;
  }
}

async function measured(client: pg.Client, writer: Writer): Promise<Cost> {
  await client.query(`TRUNCATE ${TABLE}, execution.unfinished_executions`);
  await client.query('CHECKPOINT');
  const [wal, cpu, began] = [await lsn(client), await cpuMs(client), performance.now()];
  for (let from = 0; from < EXECUTIONS; from += TOGETHER * 16) {
    // Executions of many commits run at the same time.
    const groups = Array.from({ length: 16 }, () => Array.from({ length: TOGETHER }, () => randomUUID()));
    for (let version = 1; version <= CHANGES + 1; version++) {
      for (const [group, ids] of groups.entries()) await writer.commit(version, ids, from + group * TOGETHER);
    }
  }
  return {
    walBytes: (await lsn(client)) - wal,
    cpuMs: (await cpuMs(client)) - cpu,
    ms: performance.now() - began,
  };
}

const home = await mkdtemp(join(tmpdir(), 'batuta-commits-'));
const server = await startPostgres({ home, ephemeral: true });
try {
  const url = server.environment.DATABASE_OWNER_URL;
  await migrateEventStore(url);
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  const store = new PostgresExecutionStore({ databaseUrl: server.url });
  await store.fixPartitionCount(1);
  await store.register(OWNER, OWNER, 3_600_000);
  const [partition] = await store.claim(OWNER, OWNER, [{ partition: 0, epoch: 0 }]);
  if (partition === undefined) throw new Error('the partition was not claimed');
  const lane = store.openLane();
  const writer = new Writer(lane, partition.epoch, partition.lastPosition);
  const commits = (EXECUTIONS * (CHANGES + 1)) / TOGETHER;
  process.stdout.write(`${commits} commits of ${TOGETHER} executions a round\n`);
  process.stdout.write(`${''.padEnd(30)} WAL KiB a commit   CPU ms a commit       ms a commit\n`);
  await measured(client, writer);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [kind, statements] of Object.entries(KINDS)) {
      for (const statement of statements) await client.query(statement);
      const { walBytes, cpuMs: cpu, ms } = await measured(client, writer);
      const shown = [walBytes / 1024, cpu, ms].map((value) => (value / commits).toFixed(3).padStart(16));
      process.stdout.write(`${kind.padEnd(30)} ${shown.join('  ')}\n`);
    }
  }
  await lane.close();
  await store.close();
  await client.end();
} finally {
  await server.stop();
  await rm(home, { recursive: true, force: true });
}
