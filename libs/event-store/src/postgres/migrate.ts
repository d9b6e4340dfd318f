import { setTimeout as delay } from 'node:timers/promises';
import {
  SEE_ALL_TENANTS_LOCALLY,
  grantRights,
  isPassingSchemaConflict,
  mayMigrate,
  outdatedSchema,
  secureRows,
} from '@batuta/contracts';
import pg from 'pg';
import { engineTables } from './migrations/0001-engine.js';
import { spendingAndSnapshots } from './migrations/0002-spending-and-snapshots.js';
import { agentSchemas } from './migrations/0003-agent-schemas.js';
import { approvals } from './migrations/0004-approvals.js';
import { stepRunIndex } from './migrations/0005-step-run-index.js';
import { listedApprovals } from './migrations/0006-listed-approvals.js';
import { taskKey } from './migrations/0007-task-key.js';
import { chain } from './migrations/0008-chain.js';
import { unprojectedExecutions } from './migrations/0009-unprojected-executions.js';
import { deletedExecutions } from './migrations/0010-deleted-executions.js';
import { retentionPolicies } from './migrations/0011-retention-policies.js';
import { streams } from './migrations/0012-streams.js';
import { admissions } from './migrations/0013-admissions.js';
import { erasures } from './migrations/0014-erasures.js';
import { agentsOfModels } from './migrations/0015-agents-of-models.js';
import { attemptOutput } from './migrations/0016-attempt-output.js';
import { SOME_UNFINISHED, unfinishedExecutions } from './migrations/0019-unfinished-executions.js';
import { pauses } from './migrations/0020-pauses.js';
import { NEW_LIST_INDEXES, buildListIndexes } from './list-indexes.js';

interface Migration {
  readonly version: number;
  readonly statements: readonly string[];
  /**
   * A statement with which the migration is run again and again, each time in a transaction of its own, until it changes
   * no row. Then the other statements must be repeatable.
   */
  readonly repeated?: string;
}

/** In order. Never edit one after its release. The previous version must still run after each of them. */
const MIGRATIONS: readonly Migration[] = [
  { version: 1, statements: engineTables },
  { version: 2, statements: spendingAndSnapshots },
  { version: 3, statements: agentSchemas },
  { version: 4, statements: approvals },
  { version: 5, statements: stepRunIndex },
  { version: 6, statements: listedApprovals },
  { version: 7, statements: taskKey },
  { version: 8, statements: chain },
  { version: 9, statements: unprojectedExecutions },
  { version: 10, statements: deletedExecutions },
  { version: 11, statements: retentionPolicies },
  { version: 12, statements: streams },
  { version: 13, statements: admissions },
  { version: 14, statements: erasures },
  { version: 15, statements: agentsOfModels },
  { version: 16, statements: attemptOutput },
  { version: 19, statements: unfinishedExecutions, repeated: SOME_UNFINISHED },
  { version: 20, statements: pauses },
];

/**
 * A migration blocks commits for at most this long. Then it lets them pass, and tries again after a pause, until
 * `LONGEST_MS` are over.
 */
const LOCK_TIMEOUT_MS = 500;
const PAUSE_MS = 1_500;
const LONGEST_MS = 600_000;
const NO_TABLE = '42P01';
const NO_SCHEMA = '3F000';
const NO_RIGHT = '42501';

/** An arbitrary constant. The lock belongs to a transaction, so it works through a connection pooler. */
const MIGRATION_LOCK = 4_719_262;

/**
 * Brings schema `execution` up to date. Processes that start together run each migration once. A user that may not
 * change the schema only checks that the migrations were run. Throws what PostgreSQL reports; a failed migration
 * changes nothing. Other work continues: a migration waits for a table's lock in short turns, for at most ten minutes,
 * and indexes for lists are built without locking the tables.
 */
export async function migrateEventStore(databaseUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'batuta-execution-migrations' });
  await client.connect();
  try {
    const { rows } = await client.query<{ may: boolean }>(mayMigrate('execution'));
    if (rows[0]?.may !== true) return await checkMigrated(client);
    let isNew = false;
    for (const until = performance.now() + LONGEST_MS; ;) {
      const turn = await migrateOnce(client, isNew, performance.now() < until);
      if (turn === 'done') break;
      if (turn === 'locked') await delay(PAUSE_MS);
      else isNew ||= turn === 'began';
    }
    for (const until = performance.now() + LONGEST_MS; ;) {
      if (await securedAll(client, performance.now() < until)) break;
      await delay(PAUSE_MS);
    }
    // Outside of any transaction and without the lock, because a build waits for every running transaction.
    await buildListIndexes(client);
  } finally {
    await client.end();
  }
}

/** Throws a message for the operator when a migration is missing. */
async function checkMigrated(client: pg.Client): Promise<void> {
  const { rows } = await client
    .query<{ version: number }>('SELECT version FROM execution.migrations')
    .catch((error: { code?: string }) => {
      if (error.code === NO_TABLE || error.code === NO_SCHEMA || error.code === NO_RIGHT) return { rows: [] };
      throw error;
    });
  const applied = new Set(rows.map((row) => row.version));
  const missing = MIGRATIONS.flatMap(({ version }) => (applied.has(version) ? [] : version));
  if (missing.length > 0) throw Object.assign(new Error(outdatedSchema('execution', missing)), { mistake: true });
}

/** Enables row level security. Returns false when a table's lock was not available in time and the caller may wait. */
async function securedAll(client: pg.Client, mayWait: boolean): Promise<boolean> {
  try {
    for (const statement of secureRows('execution')) {
      await client.query('BEGIN');
      await client.query('SELECT pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
      await client.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
      await client.query(statement);
      await client.query('COMMIT');
    }
    return true;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    if (mayWait && isPassingSchemaConflict(error)) return false;
    throw error;
  }
}

/**
 * Applies the first missing migration in its own transaction. It waits only briefly for a table's lock, because every
 * later statement waits behind it: behind a long reader, no commit could go on. `locked`: try again later (only with
 * `mayWait`). `began`: it was the very first migration.
 */
async function migrateOnce(
  client: pg.Client,
  isNew: boolean,
  mayWait: boolean,
): Promise<'done' | 'applied' | 'began' | 'locked'> {
  try {
    await client.query('BEGIN');
    // Otherwise the owner could not change the rows of any tenant.
    await client.query(SEE_ALL_TENANTS_LOCALLY);
    await client.query('SELECT pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
    await client.query('CREATE SCHEMA IF NOT EXISTS execution');
    await client.query(
      `CREATE TABLE IF NOT EXISTS execution.migrations (
        version int PRIMARY KEY,
        applied_at timestamptz NOT NULL DEFAULT now()
      )`,
    );
    const { rows } = await client.query<{ version: number }>('SELECT version FROM execution.migrations');
    const applied = new Set(rows.map((row) => row.version));
    const next = MIGRATIONS.find(({ version }) => !applied.has(version));
    if (next === undefined) {
      await client.query(grantRights('execution'));
      await client.query('COMMIT');
      return 'done';
    }
    await client.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
    for (const statement of next.statements) await client.query(statement);
    if (next.repeated !== undefined) {
      const { rowCount } = await client.query(next.repeated);
      if ((rowCount ?? 0) > 0) {
        await client.query('COMMIT');
        return 'applied';
      }
    }
    // Nobody uses the tables of a new installation before its migrations are done. The indexes are created together
    // with the last migration. A process that finds no migration to apply then finds the indexes too, and does not
    // build them at the same time.
    if (isNew && next === MIGRATIONS.at(-1)) for (const statement of NEW_LIST_INDEXES) await client.query(statement);
    await client.query('INSERT INTO execution.migrations (version) VALUES ($1)', [next.version]);
    await client.query('COMMIT');
    return applied.size === 0 ? 'began' : 'applied';
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    if (mayWait && isPassingSchemaConflict(error)) return 'locked';
    throw error;
  }
}
