import { randomBytes } from 'node:crypto';
import { newId } from '@batuta/contracts';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { SecretCipher, SecretCipherError } from '@batuta/service';
import { NotificationsRows } from '../database/data-source.js';

/** A new secret in the format of Standard Webhooks: 32 random bytes. */
const newSecret = (): string => `whsec_${randomBytes(32).toString('base64')}`;

const INSERT = `INSERT INTO notifications.signing_secrets (id, tenant_id, callback_id, secret) VALUES ($1, $2, $3, $4)`;

/** How signing secrets and headers are stored. Early versions kept them in the clear. */
export const SIGNING_KEYS = { variable: 'BATUTA_NOTIFICATIONS_ENCRYPTION_KEYS', clearPrefix: 'whsec_' } as const;

/** How many secrets one statement encrypts again. */
const PAGE = 500;

/** Where a secret belongs. An encrypted secret cannot be read in another place. */
const placeOf = (tenantId: string, callbackId: string | null): string => `${tenantId}/${callbackId ?? ''}`;

interface StoredSecret {
  readonly id: string;
  readonly tenant_id: string;
  readonly callback_id: string | null;
  readonly secret: string;
}

/**
 * The secrets that sign webhooks: one for each callback, and one for each tenant for the short form. They are encrypted
 * at rest.
 */
@Injectable()
export class SigningSecrets {
  readonly #rows: NotificationsRows;
  readonly #cipher: SecretCipher;

  constructor(rows: NotificationsRows, cipher: SecretCipher) {
    this.#rows = rows;
    this.#cipher = cipher;
  }

  /** How many are not under the newest key. */
  async outdated(): Promise<number> {
    const [row] = await this.#rows.everybody.query<{ count: number }[]>(
      'SELECT count(*)::int AS count FROM notifications.signing_secrets WHERE NOT starts_with(secret, $1)',
      [this.#cipher.currentPrefix ?? ''],
    );
    return row?.count ?? 0;
  }

  /**
   * Encrypts secrets that are in the clear or under an older key with the newest key. `unreadable` counts the secrets
   * that no configured key can read; these stay unchanged. Several replicas may do this at once.
   */
  async renew(): Promise<{ readonly renewed: number; readonly unreadable: number }> {
    const count = { renewed: 0, unreadable: 0 };
    for (let after = '00000000-0000-0000-0000-000000000000'; ;) {
      const rows = await this.#rows.everybody.query<StoredSecret[]>(
        `SELECT id, tenant_id, callback_id, secret FROM notifications.signing_secrets
         WHERE id > $1 ORDER BY id LIMIT $2`,
        [after, PAGE],
      );
      const last = rows.at(-1);
      if (last === undefined) return count;
      after = last.id;
      const changes: { id: string; was: string; is: string }[] = [];
      for (const { id, tenant_id: tenantId, callback_id: callbackId, secret } of rows) {
        const place = placeOf(tenantId, callbackId);
        try {
          const open = this.#cipher.open(secret, place);
          if (!this.#cipher.isCurrent(secret)) changes.push({ id, was: secret, is: this.#cipher.seal(open, place) });
        } catch (error) {
          if (!(error instanceof SecretCipherError)) throw error;
          count.unreadable += 1;
        }
      }
      const [, renewed] = await this.#rows.everybody.query<[unknown, number]>(
        `UPDATE notifications.signing_secrets AS s SET secret = r."is"
         FROM jsonb_to_recordset($1::jsonb) AS r(id uuid, was text, "is" text) WHERE s.id = r.id AND s.secret = r.was`,
        [JSON.stringify(changes)],
      );
      count.renewed += renewed;
    }
  }

  /** Stores the first secret of a new callback. */
  async create(manager: EntityManager, tenantId: string, callbackId: string): Promise<string> {
    const secret = newSecret();
    await manager.query(INSERT, [newId(), tenantId, callbackId, this.#sealed(secret, tenantId, callbackId)]);
    return secret;
  }

  /**
   * Makes a new secret. The previous one also signs for `overlapMs`, and older ones no longer sign, so at most two sign
   * at a time. `callbackId` null: the tenant's secret.
   */
  async rotate(
    manager: EntityManager,
    tenantId: string,
    callbackId: string | null,
    overlapMs: number,
  ): Promise<{ secret: string; previousExpiresAt: number }> {
    const secret = newSecret();
    // Of two concurrent rotations, the second waits here and then finds the first one's secret.
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
    await manager.query(INSERT, [newId(), tenantId, callbackId, this.#sealed(secret, tenantId, callbackId)]);
    return { secret, previousExpiresAt: rows[0]?.expires_at.getTime() ?? 0 };
  }

  /**
   * The secrets that sign now, the newest first. A tenant's first secret is made when it is needed. Throws a
   * `SecretCipherError` when one cannot be read.
   */
  async signing(tenantId: string, callbackId: string | null): Promise<string[]> {
    const found = await this.#find(tenantId, callbackId);
    if (found.length > 0) return found;
    await this.#rows
      .of(tenantId)
      .query(`${INSERT} ON CONFLICT DO NOTHING`, [
        newId(),
        tenantId,
        callbackId,
        this.#sealed(newSecret(), tenantId, callbackId),
      ]);
    return this.#find(tenantId, callbackId);
  }

  async #find(tenantId: string, callbackId: string | null): Promise<string[]> {
    const rows = await this.#rows.of(tenantId).query<{ secret: string }[]>(
      `SELECT secret FROM notifications.signing_secrets
       WHERE tenant_id = $1 AND callback_id IS NOT DISTINCT FROM $2 AND (expires_at IS NULL OR expires_at > now())
       ORDER BY expires_at DESC NULLS FIRST LIMIT 2`,
      [tenantId, callbackId],
    );
    return rows.map(({ secret }) => this.#cipher.open(secret, placeOf(tenantId, callbackId)));
  }

  #sealed(secret: string, tenantId: string, callbackId: string | null): string {
    return this.#cipher.seal(secret, placeOf(tenantId, callbackId));
  }
}
