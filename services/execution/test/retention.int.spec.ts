import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { operations } from '@batuta/contracts';
import type {
  CommandRequest,
  ListRetentionPoliciesReply,
  Principal,
  Refusal,
  RetentionPolicyReply,
  Role,
} from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import { verifyExecutions } from '../src/index.js';
import type { Difference } from '../src/index.js';
import { executionId, startRequest } from './fixtures.js';
import { Platform } from './platform.js';

const PATIENCE = { timeoutMs: 60_000 };
const DAY = 86_400_000;

let platform: Platform;

beforeAll(async () => {
  platform = await Platform.start();
  for (const name of ['one', 'two']) {
    await platform.execution(name, {
      BATUTA_EXECUTION_RETENTION_EVERY: '100ms',
      BATUTA_EXECUTION_RETENTION_RATE: '1000',
    });
  }
  await platform.run();
});

afterAll(() => platform?.end());

const who = (tenantId: string, role: Role = 'admin'): Principal => ({ tenantId, userId: 'ann', role, keyId: 'k' });
let tenants = 0;
const newTenant = (): string => `tenant-${(tenants += 1)}`;

const put = (tenantId: string, name: string, body: object, more: object = {}): Promise<RetentionPolicyReply> =>
  platform.control.request<RetentionPolicyReply>(operations.retentionPolicies.put.subject, {
    principal: who(tenantId),
    name,
    body,
    ...more,
  });

async function finished(tenantId: string, config = 'three', fails = false): Promise<string> {
  const id = executionId();
  platform.agent = () => (fails ? 'fail' : 'succeed');
  const request = { ...startRequest(id, config), principal: who(tenantId) };
  expect(await platform.command(request)).toMatchObject({ accepted: {} });
  const view = (): Promise<{ execution?: { status: string } }> =>
    platform.control.request(operations.executions.get.subject, { tenantId, executionId: id });
  await eventually(async () => expect((await view()).execution?.status).toBe(fails ? 'failed' : 'completed'), PATIENCE);
  return id;
}

/** As if it had been created and had ended so many days ago. */
const age = (id: string, days: number): Promise<unknown> =>
  platform.sql.query(
    `UPDATE execution.orchestration_executions SET created_at = created_at - $2 * interval '1 day',
      completed_at = completed_at - $2 * interval '1 day' WHERE id = $1`,
    [id, days],
  );

async function isDeleted(tenantId: string, id: string): Promise<Refusal | undefined> {
  const { refused } = await platform.control.request<{ refused?: Refusal }>(operations.executions.get.subject, {
    tenantId,
    executionId: id,
  });
  return refused?.code === 'execution_deleted' ? refused : undefined;
}

const deleted = (tenantId: string, id: string): Promise<unknown> =>
  eventually(async () => expect(await isDeleted(tenantId, id)).toBeDefined(), PATIENCE);

describe('a retention policy', () => {
  it('deletes what ended long enough ago, says which policy it was, and leaves everything else alone', async () => {
    const [mine, other] = [newTenant(), newTenant()];
    const old = await finished(mine);
    const young = await finished(mine);
    const theirs = await finished(other);
    for (const id of [old, theirs]) await age(id, 40);
    await age(young, 20);
    expect(await put(mine, 'month', { older_than_ms: 30 * DAY })).toMatchObject({
      created: true,
      policy: { version: 1 },
    });
    await deleted(mine, old);
    expect((await isDeleted(mine, old))?.details).toMatchObject({ policy: 'month', status: 'completed' });
    // Many passes later.
    const another = await finished(mine);
    await age(another, 31);
    await deleted(mine, another);
    expect(await isDeleted(mine, young)).toBeUndefined();
    expect(await isDeleted(other, theirs)).toBeUndefined();
    const { rows } = await platform.sql.query('SELECT FROM execution.events WHERE execution_id = $1', [old]);
    await eventually(() => expect(rows.length).toBeGreaterThan(0), PATIENCE);
  });

  it('of statuses, of a count and of a config', async () => {
    const tenant = newTenant();
    const good = await finished(tenant);
    const bad = await finished(tenant, 'three', true);
    for (const id of [good, bad]) await age(id, 3);
    await put(tenant, 'failures', { statuses: ['failed'], older_than_ms: DAY });
    await deleted(tenant, bad);
    expect(await isDeleted(tenant, good)).toBeUndefined();
    const all = [good];
    for (let n = 0; n < 4; n += 1) all.push(await finished(tenant));
    await put(tenant, 'newest', { keep_newest: 2 });
    await eventually(async () => {
      const gone = await Promise.all(all.map(async (id) => (await isDeleted(tenant, id)) !== undefined));
      expect(gone).toEqual([true, true, true, false, false]);
    }, PATIENCE);
  });

  it('never deletes what somebody has run again at the same moment', async () => {
    const tenant = newTenant();
    const ids: string[] = [];
    for (let n = 0; n < 20; n += 1) ids.push(await finished(tenant, 'unmonitored', true));
    for (const id of ids) await age(id, 2);
    platform.agent = () => undefined;
    const retry = (id: string): CommandRequest => ({
      commandId: executionId(),
      executionId: id,
      principal: who(tenant, 'operator'),
      retry: {},
    });
    const policy = put(tenant, 'day', { older_than_ms: DAY });
    const replies = await Promise.all(ids.map((id) => platform.command(retry(id))));
    await policy;
    for (const [place, id] of ids.entries()) {
      const code = replies[place]?.rejected?.code;
      if (code === undefined) {
        const { execution } = await platform.control.request<{ execution?: { status: string } }>(
          operations.executions.get.subject,
          {
            tenantId: tenant,
            executionId: id,
          },
        );
        expect(execution?.status).toBe('running');
      } else {
        expect(code).toBe('execution_deleted');
      }
    }
    // Everything that nobody continued is deleted.
    for (const [place, id] of ids.entries()) if (replies[place]?.rejected !== undefined) await deleted(tenant, id);
    platform.agent = () => 'succeed';
  });

  it('survives the end of its process at any moment: whoever takes the partitions goes on', async () => {
    const tenant = newTenant();
    const ids: string[] = [];
    for (let n = 0; n < 30; n += 1) ids.push(await finished(tenant, 'unmonitored'));
    for (const id of ids) await age(id, 2);
    const third = await platform.execution('three', {
      BATUTA_EXECUTION_RETENTION_EVERY: '100ms',
      BATUTA_EXECUTION_RETENTION_RATE: '20',
    });
    await put(tenant, 'day', { older_than_ms: DAY });
    await eventually(async () => expect(await isDeleted(tenant, ids[0] ?? '')).toBeDefined(), PATIENCE);
    await platform.stop(third);
    for (const id of ids) await deleted(tenant, id);
    // A new owner of partitions waits before it removes deleted executions.
    await eventually(
      async () => {
        const rows = await platform.sql.query('SELECT FROM execution.orchestration_executions WHERE tenant_id = $1', [
          tenant,
        ]);
        expect(rows.rows).toHaveLength(0);
      },
      { timeoutMs: 120_000 },
    );
    const found: Difference[] = [];
    await verifyExecutions(platform.database.url, { tenantId: tenant }, (difference) => found.push(difference));
    expect(found).toEqual([]);
  });
});

describe('retention policies', () => {
  it('are kept by admins, each tenant its own', async () => {
    const [mine, other] = [newTenant(), newTenant()];
    const first = await put(mine, 'month', { older_than_ms: 30 * DAY });
    const list = (tenant: string, role: Role = 'operator'): Promise<ListRetentionPoliciesReply> =>
      platform.control.request(operations.retentionPolicies.list.subject, { principal: who(tenant, role) });
    expect((await list(mine)).policies).toMatchObject([{ name: 'month', olderThanMs: 30 * DAY, updatedBy: 'ann' }]);
    expect((await list(other)).policies).toEqual([]);
    expect((await list(mine, 'viewer')).refused?.code).toBe('forbidden');
    expect((await put(mine, 'month', { keep_newest: 5 }, { principal: who(mine, 'operator') })).refused?.code).toBe(
      'forbidden',
    );
    const stale = { preconditions: { ifMatch: { tags: ['other'] } } };
    expect((await put(mine, 'month', { keep_newest: 5 }, stale)).refused?.code).toBe('version_conflict');
    const fresh = { preconditions: { ifMatch: { tags: [first.etag] } } };
    expect(await put(mine, 'month', { keep_newest: 5 }, fresh)).toMatchObject({
      policy: { version: 2, keepNewest: 5 },
    });
    const remove = (tenant: string): Promise<RetentionPolicyReply> =>
      platform.control.request(operations.retentionPolicies.delete.subject, { principal: who(tenant), name: 'month' });
    expect((await remove(other)).refused?.code).toBe('not_found');
    expect(await remove(mine)).toMatchObject({ policy: { name: 'month' } });
    expect((await remove(mine)).refused?.code).toBe('not_found');
  });

  it.each([
    [[], ['']],
    [{}, ['']],
    [{ statuses: ['failed'] }, ['']],
    [{ older_than_ms: -1 }, ['/older_than_ms']],
    [{ older_than_ms: '30d', keep_newest: 1.5 }, ['/older_than_ms', '/keep_newest']],
    [
      { keep_newest: 1, statuses: ['running'], config_id: 'x', action: 'shred', more: 1 },
      ['/more', '/config_id', '/statuses/0', '/action'],
    ],
  ])('say what is wrong with %j', async (body, paths) => {
    const { refused } = await put(newTenant(), 'month', body);
    expect(refused?.code).toBe('validation_failed');
    expect(refused?.violations?.map(({ path }) => path)).toEqual(paths);
  });

  it('have names that can stand in a path', async () => {
    expect((await put(newTenant(), 'a b', { keep_newest: 1 })).refused?.violations).toMatchObject([{ path: '/name' }]);
  });
});
