import { RETENTION_LIMITS, TOKEN, etagOf, preconditionRefusal } from '@batuta/contracts';
import type {
  JsonValue,
  ListRetentionPoliciesReply,
  Preconditions,
  Principal,
  Refusal,
  RetentionPolicy,
  RetentionPolicyReply,
} from '@batuta/contracts';
import type { TenantPool } from '@batuta/service';
import type { PoolClient } from 'pg';
import { readPolicy } from './policy-body.js';
import { ALL_POLICIES, DELETE_POLICY, LOCK_POLICY, POLICIES_OF, PUT_POLICY } from './sql.js';

interface PolicyRow {
  readonly name: string;
  readonly tenantId: string;
  readonly configId: string | null;
  readonly statuses: RetentionPolicy['statuses'] & object;
  readonly olderThanMs: string | null;
  readonly keepNewest: number | null;
  readonly action: RetentionPolicy['action'];
  readonly version: number;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly updatedBy: string;
  readonly created?: boolean;
}

const NOT_FOUND: Refusal = { code: 'not_found', message: 'There is no such retention policy.' };

/** Retention policies, which admins of the tenants maintain. */
export class RetentionPolicies {
  readonly #pool: Pick<TenantPool, 'seen'>;
  readonly #archives: boolean;

  constructor(
    pool: Pick<TenantPool, 'seen'>,
    /** Whether the platform has an archive. */
    archives: boolean,
  ) {
    this.#pool = pool;
    this.#archives = archives;
  }

  /** The policies of every tenant that has any. */
  async all(): Promise<ReadonlyMap<string, readonly RetentionPolicy[]>> {
    const { rows } = await this.#pool.seen('everybody').query<PolicyRow>(ALL_POLICIES);
    const found = new Map<string, RetentionPolicy[]>();
    for (const row of rows) found.set(row.tenantId, [...(found.get(row.tenantId) ?? []), policyOf(row)]);
    return found;
  }

  async list(principal: Principal): Promise<ListRetentionPoliciesReply> {
    const { rows } = await this.#pool
      .seen({ tenantId: principal.tenantId })
      .query<PolicyRow>(POLICIES_OF, [principal.tenantId]);
    return { policies: rows.map(policyOf) };
  }

  async get(principal: Principal, name: string): Promise<RetentionPolicyReply> {
    const { policies } = await this.list(principal);
    const policy = policies.find((each) => each.name === name);
    return policy === undefined ? { refused: NOT_FOUND } : { policy, etag: tagOf(policy) };
  }

  async put(
    principal: Principal,
    name: string,
    body: JsonValue,
    preconditions: Preconditions | undefined,
  ): Promise<RetentionPolicyReply> {
    const read = readPolicy(body);
    const violations = 'violations' in read ? [...read.violations] : [];
    if (!('violations' in read) && read.action === 'archive' && !this.#archives) {
      const message = 'cannot be archive here: the platform has no archive (BATUTA_ARCHIVE_URL is not set)';
      violations.push({ path: '/action', code: 'not_allowed', message });
    }
    if (!TOKEN.test(name)) {
      const message = 'must be 1 to 64 letters, digits, "_" and "-"';
      violations.unshift({ path: '/name', code: 'bad_format', message });
    }
    if (violations.length > 0 || 'violations' in read) {
      const count = violations.length === 1 ? 'one mistake' : `${violations.length} mistakes`;
      return { refused: { code: 'validation_failed', message: `The retention policy has ${count}.`, violations } };
    }
    const { configId = null, statuses, olderThanMs = null, keepNewest = null, action } = read;
    return this.#changed(principal, name, preconditions, async (client, known) => {
      if (!known) {
        const { rows } = await client.query<PolicyRow>(POLICIES_OF, [principal.tenantId]);
        if (rows.length >= RETENTION_LIMITS.policies) {
          const message = `A tenant has at most ${RETENTION_LIMITS.policies} retention policies.`;
          return { refused: { code: 'conflict', message } };
        }
      }
      const values = [principal.tenantId, name, configId, statuses, olderThanMs, keepNewest, action, principal.userId];
      const { rows } = await client.query<PolicyRow>(PUT_POLICY, values);
      const [row] = rows;
      if (row === undefined) throw new Error('a policy that was put is not there');
      const policy = policyOf(row);
      return { policy, etag: tagOf(policy), ...(row.created === true ? { created: true } : {}) };
    });
  }

  async delete(
    principal: Principal,
    name: string,
    preconditions: Preconditions | undefined,
  ): Promise<RetentionPolicyReply> {
    return this.#changed(principal, name, preconditions, async (client) => {
      const { rows } = await client.query<PolicyRow>(DELETE_POLICY, [principal.tenantId, name]);
      const [row] = rows;
      return row === undefined ? { refused: NOT_FOUND } : { policy: policyOf(row) };
    });
  }

  /** Changes a policy if its preconditions hold. A lock keeps others from changing it meanwhile. */
  async #changed(
    { tenantId }: Principal,
    name: string,
    preconditions: Preconditions | undefined,
    change: (client: PoolClient, known: boolean) => Promise<RetentionPolicyReply>,
  ): Promise<RetentionPolicyReply> {
    const client = await this.#pool.seen({ tenantId }).connect();
    try {
      await client.query('BEGIN');
      const { rows } = await client.query<PolicyRow>(LOCK_POLICY, [tenantId, name]);
      const current = rows.map(policyOf)[0];
      const known = current === undefined ? undefined : { etag: tagOf(current), version: current.version };
      const refused = preconditionRefusal(preconditions, known);
      const reply = refused === undefined ? await change(client, current !== undefined) : { refused };
      await client.query(reply.refused === undefined ? 'COMMIT' : 'ROLLBACK');
      return reply;
    } catch (error) {
      await client.query('ROLLBACK').catch(() => undefined);
      throw error;
    } finally {
      client.release();
    }
  }
}

function policyOf(row: PolicyRow): RetentionPolicy {
  const { name, configId, statuses, olderThanMs, keepNewest, action, version, createdAt, updatedAt, updatedBy } = row;
  return {
    name,
    ...(configId === null ? {} : { configId }),
    statuses,
    ...(olderThanMs === null ? {} : { olderThanMs: Number(olderThanMs) }),
    ...(keepNewest === null ? {} : { keepNewest }),
    action,
    version,
    createdAt: Number(createdAt),
    updatedAt: Number(updatedAt),
    updatedBy,
  };
}

const tagOf = (policy: RetentionPolicy): string => etagOf(policy, policy.version);
