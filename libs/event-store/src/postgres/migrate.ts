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
import { NEW_LIST_INDEXES, buildListIndexes } from './list-indexes.js';

interface Migration {
  readonly version: number;
  readonly statements: readonly string[];
}

/** In order, never edited once released; each must leave the version before it able to run. */
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
];

/** Any constant; transaction-scoped, so it works through a connection pooler. */
const MIGRATION_LOCK = 4_719_262;

/**
 * Brings schema `execution` up to date; processes that start together run each migration once.
 * Throws what PostgreSQL reports; nothing of a failed migration stays. Indexes for lists are built beside running work.
 */
export async function migrateEventStore(databaseUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'batuta-execution-migrations' });
  await client.connect();
  try {
    await client.query('BEGIN');
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
    for (const { version, statements } of MIGRATIONS) {
      if (applied.has(version)) continue;
      for (const statement of statements) await client.query(statement);
      await client.query('INSERT INTO execution.migrations (version) VALUES ($1)', [version]);
    }
    if (applied.size === 0) for (const statement of NEW_LIST_INDEXES) await client.query(statement);
    await client.query('COMMIT');
    // Outside the transaction and its lock: a build waits for every transaction that is under way.
    if (applied.size > 0) await buildListIndexes(client);
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  } finally {
    await client.end();
  }
}
