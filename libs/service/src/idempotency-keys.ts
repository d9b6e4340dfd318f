import type { Idempotency, Refusal } from '@batuta/contracts';
import { seeingEverybody } from './tenant-rows.js';
import type { Manager } from './tenant-rows.js';

/** What this needs of a connection or a transaction. */
export interface Queries {
  query<Rows>(sql: string, parameters: unknown[]): Promise<Rows>;
}

interface Reply {
  readonly refused?: Refusal;
  readonly repeated?: boolean;
}

/** How long a key is remembered. */
const KEPT = "interval '24 hours'";
/** Keys out of date that are removed with each new one. */
const REMOVED_AT_ONCE = 100;

/**
 * Requests under an `Idempotency-Key`: the first answer is stored with the change that it speaks of, in one transaction, and a
 * repeat gets it again. Refusals change nothing and are not stored.
 */
export class IdempotencyKeys {
  readonly #table: string;

  /** `schema`: of the service whose changes they are. */
  constructor(schema: string) {
    this.#table = `${schema}.idempotency_keys`;
  }

  /** The statements that make the table. */
  static statements(schema: string): readonly string[] {
    return [
      `CREATE TABLE ${schema}.idempotency_keys (
        tenant_id text NOT NULL,
        route text NOT NULL,
        key text NOT NULL,
        request_hash text NOT NULL,
        reply json NOT NULL,
        expires_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, route, key)
      )`,
      `CREATE INDEX idempotency_keys_expired ON ${schema}.idempotency_keys (expires_at)`,
    ];
  }

  /** The answer to an earlier request under the same key, or the refusal of another one; undefined when there was none. */
  async earlier<R extends Reply>(
    queries: Queries,
    tenantId: string,
    asked: Idempotency | undefined,
  ): Promise<R | { refused: Refusal } | undefined> {
    if (asked === undefined) return undefined;
    const [row] = await queries.query<{ request_hash: string; reply: R }[]>(
      `SELECT request_hash, reply FROM ${this.#table}
       WHERE tenant_id = $1 AND route = $2 AND key = $3 AND expires_at > now()`,
      [tenantId, asked.route, asked.key],
    );
    if (row === undefined) return undefined;
    if (row.request_hash === asked.requestHash) return { ...row.reply, repeated: true };
    const message = 'The idempotency key was used before with another request.';
    return { refused: { code: 'idempotency_mismatch', message } };
  }

  /**
   * Does the work unless it was done under this key. `queries` is the transaction in which the work is done: of two at once the
   * second waits for the first. `kept` leaves out what may be shown only once.
   */
  async once<R extends Reply>(
    queries: Queries & Manager,
    tenantId: string,
    asked: Idempotency | undefined,
    work: () => Promise<R>,
    kept: (reply: R) => R = (reply) => reply,
  ): Promise<R | { refused: Refusal }> {
    if (asked === undefined) return work();
    await queries.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 7))', [
      JSON.stringify([this.#table, tenantId, asked.route, asked.key]),
    ]);
    const earlier = await this.earlier<R>(queries, tenantId, asked);
    if (earlier !== undefined) return earlier;
    const reply = await work();
    if (reply.refused === undefined) await this.#keep(queries, tenantId, asked, kept(reply));
    return reply;
  }

  async #keep(queries: Queries & Manager, tenantId: string, asked: Idempotency, reply: object): Promise<void> {
    await queries.query(
      `INSERT INTO ${this.#table} AS k (tenant_id, route, key, request_hash, reply, expires_at)
       VALUES ($1, $2, $3, $4, $5, now() + ${KEPT})
       ON CONFLICT (tenant_id, route, key) DO UPDATE SET request_hash = excluded.request_hash, reply = excluded.reply,
         expires_at = excluded.expires_at WHERE k.expires_at <= now()`,
      [tenantId, asked.route, asked.key, asked.requestHash, JSON.stringify(reply)],
    );
    const sweep = (): Promise<unknown> =>
      queries.query(
        `DELETE FROM ${this.#table} WHERE (tenant_id, route, key) IN (
         SELECT tenant_id, route, key FROM ${this.#table} WHERE expires_at <= now()
         ORDER BY expires_at LIMIT ${REMOVED_AT_ONCE} FOR UPDATE SKIP LOCKED)`,
        [],
      );
    // Also those of tenants that never come again.
    await seeingEverybody(queries, sweep);
  }
}
