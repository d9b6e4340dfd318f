import { setTimeout as delay } from 'node:timers/promises';
import { SealKeys, migrateEventStore, seeAllTenants } from '@batuta/event-store';
import pg from 'pg';
import { verifyCheckpoints } from '../../integrity/checkpoints.js';
import { ConfigRegistry } from '../../partitions/ports/config-registry.js';
import { PostgresExecutionStore } from '../../store/postgres/postgres-execution-store.js';
import { chainDifference, executionDifference, snapshotDifference, stepRunDifference } from './differences.js';
import { foldStored } from './folded.js';
import { IDS_AFTER, IDS_OF_TENANT, PARTITIONS } from './sql.js';
import { readStored } from './stored.js';
import type { Stored } from './stored.js';

/** A difference between an execution's stored data and its log. */
export interface Difference {
  /** Empty for a checkpoint. */
  readonly executionId: string;
  readonly where: 'log' | 'chain' | 'checkpoint' | 'snapshot' | 'orchestration_executions' | 'orchestration_step_runs';
  readonly what: string;
}

export interface VerifySummary {
  readonly executions: number;
  readonly events: number;
  readonly snapshots: number;
  /** Events without a link, because a version without links stored them. */
  readonly unlinked: number;
  /** Signed checkpoints that were compared, if all executions are verified. */
  readonly checkpoints: number;
  /** Executions with a difference, and invalid checkpoints. */
  readonly different: number;
  /** Executions whose newest step runs are not projected yet. The projected ones were compared. */
  readonly behind: number;
}

const PAGE = 20;
/** A running projection catches up meanwhile. */
const LAG_ROUNDS = 25;
const LAG_PAUSE_MS = 200;
/**
 * Computes executions from their first event and compares the result with their snapshots and with both read models.
 * `which` is an execution's id, a tenant, or `all`, which also compares signed checkpoints with the links. The service
 * may run meanwhile. Reports the first difference of each execution. Throws the errors of PostgreSQL.
 */
export async function verifyExecutions(
  databaseUrl: string,
  which: string | { readonly tenantId: string },
  report: (difference: Difference) => void,
  /** Seeds that may have signed checkpoints. Signatures of other keys are not checked. */
  seals: readonly Buffer[] = [],
): Promise<VerifySummary> {
  await migrateEventStore(databaseUrl);
  const store = new PostgresExecutionStore({ databaseUrl, everyTenant: true, poolSize: 1 });
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: 1,
    application_name: 'batuta-verify',
    onConnect: seeAllTenants,
  });
  const verifier = new Verifier(
    pool,
    new ConfigRegistry(store, {
      version: () => Promise.resolve({ kind: 'missing' }),
    }),
    report,
  );
  try {
    if (typeof which === 'string' && which !== 'all') {
      await verifier.page([which]);
      return verifier.summary;
    }
    const [idsAfter, of] = typeof which === 'string' ? [IDS_AFTER, []] : [IDS_OF_TENANT, [which.tenantId]];
    for (let after: string | null = null; ;) {
      const { rows }: { rows: { id: string }[] } = await pool.query(idsAfter, [after, PAGE, ...of]);
      const ids = rows.map(({ id }) => id);
      if (ids.length > 0) await verifier.page(ids);
      if (ids.length < PAGE) break;
      after = ids.at(-1) ?? null;
    }
    if (which === 'all') await verifier.checkpoints(new SealKeys(seals));
    return verifier.summary;
  } finally {
    await pool.end();
    await store.close();
  }
}

class Verifier {
  readonly #pool: pg.Pool;
  readonly #configs: ConfigRegistry;
  readonly #report: (difference: Difference) => void;
  readonly #counts = { executions: 0, events: 0, snapshots: 0, unlinked: 0, checkpoints: 0, different: 0, behind: 0 };

  constructor(pool: pg.Pool, configs: ConfigRegistry, report: (difference: Difference) => void) {
    this.#pool = pool;
    this.#configs = configs;
    this.#report = report;
  }

  get summary(): VerifySummary {
    return { ...this.#counts };
  }

  async checkpoints(keys: SealKeys): Promise<void> {
    const { rows } = await this.#pool.query<{ id: number }>(PARTITIONS);
    const partitions = rows.map(({ id }) => id);
    this.#counts.checkpoints = await verifyCheckpoints(this.#pool, partitions, keys, (_partition, what) => {
      this.#counts.different += 1;
      this.#report({ executionId: '', where: 'checkpoint', what });
    });
  }

  async page(ids: readonly string[]): Promise<void> {
    for (let open = ids, round = 1; open.length > 0; round += 1) {
      const stored = await readStored(this.#pool, open);
      const lagging: string[] = [];
      for (const id of open) {
        const { difference, behind } = await this.#verify(id, stored);
        if (behind && difference === undefined && round < LAG_ROUNDS) {
          lagging.push(id);
          continue;
        }
        const events = stored.events.get(id) ?? [];
        this.#counts.executions += 1;
        this.#counts.events += events.length;
        this.#counts.unlinked += events.filter(({ link }) => link === null).length;
        this.#counts.snapshots += stored.snapshots.has(id) ? 1 : 0;
        this.#counts.behind += behind ? 1 : 0;
        if (difference !== undefined) {
          this.#counts.different += 1;
          this.#report(difference);
        }
      }
      open = lagging;
      if (open.length > 0) await delay(LAG_PAUSE_MS);
    }
  }

  async #verify(id: string, stored: Stored): Promise<{ difference?: Difference; behind: boolean }> {
    const snapshot = stored.snapshots.get(id);
    const stepRuns = stored.stepRuns.get(id) ?? [];
    const versions = new Set([...stepRuns.map((row) => Number(row['version'])), snapshot?.version ?? 0]);
    const broken = chainDifference(id, stored);
    if (broken !== undefined) return { difference: { executionId: id, where: 'chain', what: broken }, behind: false };
    const folded = await foldStored(this.#configs, id, stored.events.get(id) ?? [], versions);
    if (typeof folded === 'string') {
      return { difference: { executionId: id, where: 'log', what: folded }, behind: false };
    }
    const behind = (stored.projected.get(folded.partition) ?? 0) < folded.position;
    const checks: readonly [Difference['where'], () => Promise<string | undefined> | string | undefined][] = [
      ['snapshot', () => (snapshot === undefined ? undefined : snapshotDifference(folded, snapshot))],
      ['orchestration_executions', () => executionDifference(this.#pool, id, folded, stored.executions.get(id))],
      ['orchestration_step_runs', () => stepRunDifference(this.#pool, folded, stepRuns, behind)],
    ];
    for (const [where, check] of checks) {
      const what = await check();
      if (what !== undefined) return { difference: { executionId: id, where, what }, behind };
    }
    return { behind };
  }
}
