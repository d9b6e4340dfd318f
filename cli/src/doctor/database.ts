import pg from 'pg';
import { failed, ok, warning } from './finding.js';
import type { Finding } from './finding.js';

const CONNECT_MS = 10_000;
const OLDEST_VERSION = 140_000;
const LONG_TRANSACTION_S = 300;
const MOST_SKEW_S = 1;
const GIB = 1024 ** 3;

const LOOK = `
SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
  extract(epoch FROM clock_timestamp()) AS now, pg_is_in_recovery() AS replica,
  current_setting('max_connections')::int AS most,
  (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,
  (SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::int FROM pg_stat_activity
   WHERE state <> 'idle' AND backend_type = 'client backend' AND pid <> pg_backend_pid()) AS oldest,
  pg_database_size(current_database()) AS bytes`;

const TABLES = `
SELECT n.nspname || '.' || c.relname AS name, pg_total_relation_size(c.oid) AS bytes, c.reltuples::bigint AS rows
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname IN ('execution', 'config', 'notifications') ORDER BY 1`;

interface Look {
  readonly version: string;
  readonly number: number;
  readonly now: string;
  readonly replica: boolean;
  readonly most: number;
  readonly used: number;
  readonly oldest: number;
  readonly bytes: string;
}

interface DatabaseSeen {
  readonly findings: readonly Finding[];
  /** Sizes by table. Empty when the database cannot be reached. */
  readonly tables: readonly unknown[];
}

/** Checks PostgreSQL itself. Never rejects. */
export async function seeDatabase(connectionString: string): Promise<DatabaseSeen> {
  const about = 'PostgreSQL';
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: CONNECT_MS, query_timeout: CONNECT_MS });
  // A later failure is reported by the query that it breaks.
  client.on('error', () => undefined);
  try {
    await client.connect();
    const sentAt = Date.now();
    const {
      rows: [look],
    } = await client.query<Look>(LOOK);
    const halfWay = (sentAt + Date.now()) / 2_000;
    const { rows: tables } = await client.query(TABLES);
    return { findings: look === undefined ? [] : judge(look, halfWay), tables };
  } catch (error) {
    return {
      findings: [failed(about, `It cannot be asked: ${(error as Error).message}`, 'BatutaPostgresDown')],
      tables: [],
    };
  } finally {
    await client.end().catch(() => undefined);
  }
}

function judge({ version, number, now, replica, most, used, oldest, bytes }: Look, here: number): Finding[] {
  const skew = Math.abs(Number(now) - here);
  return [
    number < OLDEST_VERSION
      ? failed('PostgreSQL', `Version ${version} is older than 14, the oldest that is supported.`)
      : replica
        ? failed('PostgreSQL', 'It is a replica in recovery and takes no writes.', 'BatutaPostgresDown')
        : ok('PostgreSQL', `Version ${version}, ${(Number(bytes) / GIB).toFixed(2)} GiB.`),
    used > 0.9 * most
      ? warning('connections', `${used} of ${most} connections to PostgreSQL are used.`, 'BatutaPostgresDown')
      : ok('connections', `${used} of ${most} connections to PostgreSQL are used.`),
    oldest > LONG_TRANSACTION_S
      ? warning('transactions', `A transaction has been open for ${oldest} s: it holds back vacuum and migrations.`)
      : ok('transactions', `The oldest transaction has been open for ${oldest} s.`),
    skew > MOST_SKEW_S
      ? warning('clock', `The clock here differs from PostgreSQL's by ${skew.toFixed(1)} s.`, 'BatutaClockWrong')
      : ok('clock', `The clock here differs from PostgreSQL's by ${skew.toFixed(3)} s.`),
  ];
}
