import { LIFECYCLE_STREAM, STEPS_STREAM } from '@batuta/contracts';
import type { Pool } from 'pg';

/** The bytes on disk of growing data. */
export interface DiskUse {
  readonly database: number;
  /** Including indexes and large values, by `schema.table`. */
  readonly tables: ReadonlyMap<string, number>;
  readonly streams: ReadonlyMap<string, number>;
}

const DATABASE_BYTES = `SELECT pg_database_size(current_database()) AS bytes`;

/** For the schemas of Batuta's services. */
const TABLE_BYTES = `
SELECT n.nspname || '.' || c.relname AS name, pg_total_relation_size(c.oid) AS bytes
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname IN ('execution', 'config', 'notifications')`;

/** Sizes come from the file system, which is too expensive for every scrape. */
const KEPT_MS = 60_000;

/** Reads the disk use of PostgreSQL and JetStream, at most once a minute. */
export class DiskUseReader {
  readonly #pool: Pool;
  readonly #streamInfo: (stream: string) => Promise<{ state?: { bytes?: number } }>;
  readonly #elapsed: () => number;
  #read: { readonly at: number; readonly use: Promise<DiskUse | undefined> } | undefined;

  constructor(
    pool: Pool,
    streamInfo: (stream: string) => Promise<{ state?: { bytes?: number } }>,
    elapsed: () => number,
  ) {
    this.#pool = pool;
    this.#streamInfo = streamInfo;
    this.#elapsed = elapsed;
  }

  /**
   * Undefined when it cannot be read. The readiness check reports an outage, and a scrape must not fail because of it.
   */
  current(): Promise<DiskUse | undefined> {
    const now = this.#elapsed();
    if (this.#read === undefined || now - this.#read.at >= KEPT_MS) {
      const use = this.#now().catch(() => {
        this.#read = undefined;
        return undefined;
      });
      this.#read = { at: now, use };
    }
    return this.#read.use;
  }

  async #now(): Promise<DiskUse> {
    const [database, tables, ...streams] = await Promise.all([
      this.#pool.query<{ bytes: string }>(DATABASE_BYTES),
      this.#pool.query<{ name: string; bytes: string }>(TABLE_BYTES),
      ...[STEPS_STREAM, LIFECYCLE_STREAM].map(
        async (name) => [name, (await this.#streamInfo(name)).state?.bytes ?? 0] as const,
      ),
    ]);
    return {
      database: Number(database.rows[0]?.bytes ?? 0),
      tables: new Map(tables.rows.map(({ name, bytes }) => [name, Number(bytes)])),
      streams: new Map(streams),
    };
  }
}
