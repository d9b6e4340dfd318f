import { RecentSet } from '@batuta/collections';
import { newId } from '@batuta/contracts';
import type { NewAuditEntry, ResolveSecretsRequest } from '@batuta/contracts';
import { GroupCommit } from '@batuta/service';
import { Injectable } from '@nestjs/common';
import { AuditLog } from '../audit/audit-log.js';

/** What asks for values. */
export type SecretUse = Pick<ResolveSecretsRequest, 'tenantId' | 'executionId' | 'stepId' | 'agent' | 'callbackId'>;

interface UsedSecret {
  readonly name: string;
  /** Entity tag of the secret, so that the entry which changed it last is found; undefined when there is no such secret. */
  readonly etag: string | undefined;
}

/** Uses that are recorded together at most. */
const TOGETHER = 500;
/** Uses of one secret by one step within so long are one entry. */
const SAME_MS = 3_600_000;
const KNOWN = 50_000;

/**
 * Records in the audit log what was given the value of a secret, before it is given: once an hour for each execution's step or
 * callback, and each value of the secret.
 */
@Injectable()
export class SecretUses {
  readonly #log: GroupCommit<readonly NewAuditEntry[], undefined>;
  readonly #known = new RecentSet(KNOWN);

  constructor(log: AuditLog) {
    this.#log = new GroupCommit(async (items) => {
      const entries = items.flat();
      for (let at = 0; at < entries.length; at += TOGETHER) await log.append(entries.slice(at, at + TOGETHER));
      return items.map(() => undefined);
    });
  }

  /** Resolves when it is stored. Rejects with what the database reports. */
  async record(use: SecretUse, secrets: readonly UsedSecret[]): Promise<void> {
    const now = Date.now();
    const usedBy = nameOf(use);
    const fresh = secrets.flatMap(({ name, etag = '' }) => {
      const key = JSON.stringify([use.tenantId, usedBy, name, etag, Math.floor(now / SAME_MS)]);
      return this.#known.has(key) ? [] : [{ key, name, etag }];
    });
    if (fresh.length === 0) return;
    await this.#log.add(
      fresh.map(({ name, etag }) => ({
        id: newId(),
        at: now,
        tenantId: use.tenantId,
        channel: 'use',
        action: 'secrets.use',
        resource: `secrets/${name}`,
        usedBy,
        ...(etag === '' ? { outcome: 'refused', code: 'secret_missing' } : { outcome: 'succeeded', revision: etag }),
      })),
    );
    for (const { key } of fresh) this.#known.add(key);
  }
}

/** As paths are written below /api/v1/. */
function nameOf({ executionId = '', stepId = '', agent = '', callbackId = '' }: SecretUse): string {
  const parts = { executions: executionId, steps: stepId, agents: agent, callbacks: callbackId };
  return Object.entries(parts)
    .flatMap(([kind, id]) => (id === '' ? [] : [`${kind}/${id}`]))
    .join('/');
}
