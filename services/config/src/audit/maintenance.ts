import { hostname, userInfo } from 'node:os';
import { AUDIT_TEXT, DEFAULT_TENANT, newId, SEE_ALL_TENANTS_LOCALLY } from '@batuta/contracts';
import type { AuditOutcome } from '@batuta/contracts';
import pg from 'pg';
import { appendAudit } from './audit-log.js';
import type { Statements } from './audit-log.js';
import { PRUNE_ENTRIES, SAY_BEFORE } from './sql.js';

/** A change made by a command on the database. */
interface Maintenance {
  /** Name of the command. */
  readonly action: string;
  readonly resource: string;
  readonly outcome: AuditOutcome;
}

/** The user of this machine, if the system knows it. */
function osUser(): string {
  try {
    return userInfo().username;
  } catch {
    return '';
  }
}

/** Records a command in the log of the platform's tenant, in the caller's transaction. */
export async function recordMaintenance(sql: Statements, { action, resource, outcome }: Maintenance): Promise<void> {
  const who = { userId: osUser(), role: 'operator of the installation', address: hostname() };
  const what = { action, resource: resource.slice(0, AUDIT_TEXT), outcome };
  await appendAudit(sql, [
    { id: newId(), at: Date.now(), tenantId: DEFAULT_TENANT, channel: 'command', ...who, ...what },
  ]);
}

async function inTransaction<T>(databaseUrl: string, work: (sql: Statements) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query('BEGIN');
    // Otherwise the owner of the tables sees no rows.
    await client.query(SEE_ALL_TENANTS_LOCALLY);
    const result = await work({ query: async (text, values) => (await client.query(text, values)).rows });
    await client.query('COMMIT');
    return result;
  } finally {
    await client.end();
  }
}

/** Records a command on the database of an installation. */
export function recordCommand(databaseUrl: string, done: Maintenance): Promise<void> {
  return inTransaction(databaseUrl, (sql) => recordMaintenance(sql, done));
}

/**
 * Removes entries of all tenants that are older than a time, and records this. Needs the owner of the tables. Returns
 * how many were removed.
 */
export function pruneAudit(databaseUrl: string, before: Date): Promise<number> {
  return inTransaction(databaseUrl, async (sql) => {
    const time = before.toISOString();
    await sql.query(SAY_BEFORE, [time]);
    const [{ n } = { n: 0 }] = await sql.query<{ n: number }>(
      `WITH gone AS (${PRUNE_ENTRIES} RETURNING 1) SELECT count(*)::int AS n FROM gone`,
      [time],
    );
    await recordMaintenance(sql, { action: 'audit.prune', resource: `audit before ${time}`, outcome: 'succeeded' });
    return n;
  });
}
