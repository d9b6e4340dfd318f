import type { Idempotency, Refusal } from '@batuta/contracts';
import { seeingEverybody } from './tenant-rows.js';
import type { Manager } from './tenant-rows.js';

/** The part of a connection or a transaction that this file uses. */
export interface Queries {
  query<Rows>(sql: string, parameters: unknown[]): Promise<Rows>;
}

interface Reply {
  readonly refused?: Refusal;
  readonly repeated?: boolean;
}

/** How long a key is stored. */
const KEPT = "interval '24 hours'";
/** Number of expired keys that are removed with each new one. */
const REMOVED_AT_ONCE = 100;

/**
 * Handles requests with an `Idempotency-Key`. The first answer is stored in the same transaction as the change that it
 * reports, and a repeated request gets the stored answer. Refusals change nothing and are not stored.
 */
export class IdempotencyKeys {
  readonly #table: string;

  /** `schema`: the schema of the service that makes the changes. */
  constructor(schema: string) {
    this.#table = `${schema}.idempotency_keys`;
  }

  /** The statements that create the table. */
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

  /**
   * The answer to an earlier request with the same key, or a refusal if that request was a different one. Undefined
   * when there was none.
   */
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
   * Does the work unless it was done under this key. `queries` is the transaction of the work: of two simultaneous
   * requests, the second waits for the first. `kept` removes parts of the answer that may be shown only once.
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
    // Includes keys of tenants that never come back.
    await seeingEverybody(queries, sweep);
  }
}
