import { LIFECYCLE_STREAM, STEPS_STREAM } from '@batuta/contracts';
import type { Pool } from 'pg';

/** Bytes on disk of what grows. */
export interface DiskUse {
  readonly database: number;
  /** With indexes and large values, by `schema.table`. */
  readonly tables: ReadonlyMap<string, number>;
  readonly streams: ReadonlyMap<string, number>;
}

const DATABASE_BYTES = `SELECT pg_database_size(current_database()) AS bytes`;

/** Of the schemas of Batuta's services. */
const TABLE_BYTES = `
SELECT n.nspname || '.' || c.relname AS name, pg_total_relation_size(c.oid) AS bytes
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname IN ('execution', 'config', 'notifications')`;

/** Sizes are read from the file system: a scrape must not do that each time. */
const KEPT_MS = 60_000;

/** Reads what PostgreSQL and JetStream keep on their disks, at most once a minute. */
export class DiskUseReader {
  #read: { readonly at: number; readonly use: Promise<DiskUse | undefined> } | undefined;

  constructor(
    private readonly pool: Pool,
    private readonly streamInfo: (stream: string) => Promise<{ state?: { bytes?: number } }>,
    private readonly elapsed: () => number,
  ) {}

  /** Undefined when that cannot be said now: readiness tells of an outage, and a scrape must not fail because of it. */
  current(): Promise<DiskUse | undefined> {
    const now = this.elapsed();
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
      this.pool.query<{ bytes: string }>(DATABASE_BYTES),
      this.pool.query<{ name: string; bytes: string }>(TABLE_BYTES),
      ...[STEPS_STREAM, LIFECYCLE_STREAM].map(
        async (name) => [name, (await this.streamInfo(name)).state?.bytes ?? 0] as const,
      ),
    ]);
    return {
      database: Number(database.rows[0]?.bytes ?? 0),
      tables: new Map(tables.rows.map(({ name, bytes }) => [name, Number(bytes)])),
      streams: new Map(streams),
    };
  }
}
