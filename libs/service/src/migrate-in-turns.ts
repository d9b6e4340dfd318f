import { setTimeout as delay } from 'node:timers/promises';
import {
  SEE_ALL_TENANTS_LOCALLY,
  grantRights,
  isPassingSchemaConflict,
  mayMigrate,
  outdatedSchema,
  secureRows,
} from '@batuta/contracts';
import type { PostgresService } from '@batuta/contracts';
import { Mistake } from '@batuta/program';

/** The part of TypeORM that this file uses. Libraries do not depend on TypeORM. */
interface Runner {
  startTransaction(...isolation: never[]): Promise<void>;
  commitTransaction(): Promise<void>;
  rollbackTransaction(): Promise<void>;
  readonly isTransactionActive: boolean;
  query(sql: string): Promise<unknown>;
  release(): Promise<void>;
}

interface Source<R extends Runner> {
  transaction(
    work: (holder: { query(sql: string, parameters?: unknown[]): Promise<unknown> }) => Promise<void>,
  ): Promise<void>;
  query(sql: string): Promise<unknown>;
  createQueryRunner(): R;
}

/**
 * A migration blocks others for at most this long. Then it lets them pass, and tries again after a pause, until
 * `LONGEST_MS` are over.
 */
const LOCK_TIMEOUT_MS = 500;
const PAUSE_MS = 1_500;
const LONGEST_MS = 600_000;
const TURN_MS = 250;
/** The table or schema does not exist, or the user may not see it. */
const NOT_THERE: ReadonlySet<unknown> = new Set(['42P01', '3F000', '42501']);

/**
 * Runs a service's migrations while other work continues, in one replica at a time; the other replicas wait and then
 * find nothing to do. Within a migration's transaction, a table's lock is waited for in short turns, because every
 * later statement waits behind it. The replicas' lock belongs to a transaction, so that it works through a connection
 * pooler. Uses two connections. A user that may not change the schema only checks that the migrations of `names` were
 * run, and a missing one throws a Mistake.
 */
export async function migrateInTurns<R extends Runner>(
  source: Source<R>,
  options: {
    readonly schema: PostgresService;
    readonly lock: number;
    readonly names: readonly string[];
    readonly run: (runner: R) => Promise<unknown>;
  },
): Promise<void> {
  const [row] = (await source.query(mayMigrate(options.schema))) as { may: boolean }[];
  if (row?.may !== true) return checkMigrated(source, options);
  await source.transaction(async (holder) => {
    // Other replicas may wait for long, and this transaction is idle while the migrations run.
    await holder.query('SET LOCAL statement_timeout = 0');
    await holder.query('SET LOCAL idle_in_transaction_session_timeout = 0');
    // Asked for again and again without waiting, because a waiting statement has a snapshot, and the concurrent build of an index waits until that snapshot ends.
    // The statement has no parameters, because one with parameters keeps its snapshot until the next statement.
    for (;;) {
      const asked = await holder.query(`SELECT pg_try_advisory_xact_lock(${options.lock}) AS mine`);
      const [row] = asked as { mine: boolean }[];
      if (row?.mine === true) break;
      await delay(TURN_MS);
    }
    await source.query(`CREATE SCHEMA IF NOT EXISTS ${options.schema}`);
    for (const until = performance.now() + LONGEST_MS; ;) {
      const runner = source.createQueryRunner();
      const begin = runner.startTransaction.bind(runner);
      runner.startTransaction = async (...isolation) => {
        await begin(...isolation);
        await runner.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
        // Otherwise the owner could not change the rows of any tenant.
        await runner.query(SEE_ALL_TENANTS_LOCALLY);
      };
      try {
        await options.run(runner);
        await runner.query(grantRights(options.schema));
        for (const statement of secureRows(options.schema)) {
          await runner.startTransaction();
          await runner.query(statement);
          await runner.commitTransaction();
        }
        return;
      } catch (error) {
        if (runner.isTransactionActive) await runner.rollbackTransaction();
        if (!isPassingSchemaConflict(error) || performance.now() > until) throw error;
      } finally {
        await runner.release();
      }
      await delay(PAUSE_MS);
    }
  });
}

async function checkMigrated(
  source: { query(sql: string): Promise<unknown> },
  { schema, names }: { readonly schema: PostgresService; readonly names: readonly string[] },
): Promise<void> {
  const rows = await source.query(`SELECT name FROM ${schema}.migrations`).catch((error: unknown) => {
    if (NOT_THERE.has(codeOf(error))) return [];
    throw error;
  });
  const applied = new Set((rows as { name: string }[]).map((row) => row.name));
  const missing = names.filter((name) => !applied.has(name));
  if (missing.length > 0) throw new Mistake(outdatedSchema(schema, missing));
}

function codeOf(error: unknown): unknown {
  const { code, driverError } = error as { code?: unknown; driverError?: { code?: unknown } };
  return code ?? driverError?.code;
}
