import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { newId } from '../access/requests.js';

/** A new secret as Standard Webhooks writes them: 32 random bytes. */
const newSecret = (): string => `whsec_${randomBytes(32).toString('base64')}`;

const INSERT = `INSERT INTO notifications.signing_secrets (id, tenant_id, callback_id, secret) VALUES ($1, $2, $3, $4)`;

/** What signs the webhooks: a secret of each callback, and one of each tenant for the short form. */
@Injectable()
export class SigningSecrets {
  readonly #dataSource: DataSource;

  constructor(dataSource: DataSource) {
    this.#dataSource = dataSource;
  }

  /** The first secret of a callback that is being made. */
  async create(manager: EntityManager, tenantId: string, callbackId: string): Promise<string> {
    const secret = newSecret();
    await manager.query(INSERT, [newId(), tenantId, callbackId, secret]);
    return secret;
  }

  /**
   * Makes a new secret; the one before it signs too for `overlapMs`, older ones no more. At most two sign at a time.
   * `callbackId` null: the tenant's.
   */
  async rotate(
    tenantId: string,
    callbackId: string | null,
    overlapMs: number,
  ): Promise<{ secret: string; previousExpiresAt: number }> {
    const secret = newSecret();
    return this.#dataSource.transaction(async (manager) => {
      // Two rotations at once: the second waits here and then finds the first one's secret.
      await manager.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 5))', [`${tenantId}/${callbackId ?? ''}`]);
      await manager.query(
        `DELETE FROM notifications.signing_secrets
         WHERE tenant_id = $1 AND callback_id IS NOT DISTINCT FROM $2 AND expires_at IS NOT NULL`,
        [tenantId, callbackId],
      );
      const [rows] = await manager.query<[{ expires_at: Date }[], number]>(
        `UPDATE notifications.signing_secrets SET expires_at = now() + $3 * interval '1 ms'
         WHERE tenant_id = $1 AND callback_id IS NOT DISTINCT FROM $2 RETURNING expires_at`,
        [tenantId, callbackId, overlapMs],
      );
      await manager.query(INSERT, [newId(), tenantId, callbackId, secret]);
      return { secret, previousExpiresAt: rows[0]?.expires_at.getTime() ?? 0 };
    });
  }

  /** The secrets that sign now, the newest first; a tenant's first one is made when it is needed. */
  async signing(tenantId: string, callbackId: string | null): Promise<string[]> {
    const found = await this.#find(tenantId, callbackId);
    if (found.length > 0) return found;
    await this.#dataSource.query(`${INSERT} ON CONFLICT DO NOTHING`, [newId(), tenantId, callbackId, newSecret()]);
    return this.#find(tenantId, callbackId);
  }

  async #find(tenantId: string, callbackId: string | null): Promise<string[]> {
    const rows = await this.#dataSource.query<{ secret: string }[]>(
      `SELECT secret FROM notifications.signing_secrets
       WHERE tenant_id = $1 AND callback_id IS NOT DISTINCT FROM $2 AND (expires_at IS NULL OR expires_at > now())
       ORDER BY expires_at DESC NULLS FIRST LIMIT 2`,
      [tenantId, callbackId],
    );
    return rows.map(({ secret }) => secret);
  }
}
