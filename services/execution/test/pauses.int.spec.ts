import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { operations } from '@batuta/contracts';
import type {
  ExecutionView,
  ListPausesReply,
  ListPoolsReply,
  PauseReply,
  Principal,
  QueuedView,
  Role,
} from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import type { RunningExecution } from '../src/index.js';
import { executionId, startRequest } from './fixtures.js';
import { Platform } from './platform.js';

const PATIENCE = { timeoutMs: 60_000 };

let platform: Platform;
const services: RunningExecution[] = [];

beforeAll(async () => {
  platform = await Platform.start();
  platform.registry.set('echo', { pool: 'default' });
  for (const name of ['one', 'two']) services.push(await platform.execution(name));
  await platform.run();
});

afterAll(() => platform?.end());

const who = (tenantId: string, role: Role = 'admin'): Principal => ({ tenantId, userId: 'ann', role, keyId: 'k' });
let tenants = 0;
const newTenant = (): string => `tenant-${(tenants += 1)}`;

const begin = (by: Principal, kind: string, name: string, body: unknown = { reason: 'it is broken' }) =>
  platform.control.request<PauseReply>(operations.pauses.begin.subject, { principal: by, kind, name, body });
const end = (by: Principal, kind: string, name: string) =>
  platform.control.request<PauseReply>(operations.pauses.end.subject, { principal: by, kind, name });
const list = (by: Principal) =>
  platform.control.request<ListPausesReply>(operations.pauses.list.subject, { principal: by });

/** Pauses are known to every process a moment after the answer of one. */
async function known(kind: string, name: string): Promise<void> {
  await eventually(async () => {
    for (let each = 0; each < 6; each++) {
      const { pools } = await platform.control.request<ListPoolsReply>(operations.pools.list.subject, {
        pools: ['default'],
        forTenant: kind === 'tenant' ? name : 'default',
      });
      expect(pools[0]?.paused).toMatchObject({ kind, name });
    }
  }, PATIENCE);
}

async function start(tenantId: string, config = 'three'): Promise<string> {
  const id = executionId();
  expect(await platform.command({ ...startRequest(id, config), principal: who(tenantId) })).toMatchObject({
    accepted: {},
  });
  return id;
}

const viewOf = async (tenantId: string, id: string): Promise<ExecutionView | undefined> =>
  (
    await platform.control.request<{ execution?: ExecutionView }>(operations.executions.get.subject, {
      tenantId,
      executionId: id,
    })
  ).execution;
const finished = (tenantId: string, id: string): Promise<void> =>
  eventually(async () => expect((await viewOf(tenantId, id))?.status).toBe('completed'), PATIENCE);
const queuedOf = async (tenantId: string, id: string): Promise<QueuedView | undefined> =>
  (await viewOf(tenantId, id))?.steps.find(({ queued }) => queued !== undefined)?.queued;
const ran = (id: string): number => platform.tasks.filter(({ executionId: of }) => of === id).length;

describe('a paused tenant', () => {
  it('gets no workers until it is resumed, its steps say why, and other tenants do', async () => {
    const [tenant, other] = [newTenant(), newTenant()];
    expect(await begin(who('default'), 'tenant', tenant)).toEqual({
      created: true,
      pause: {
        kind: 'tenant',
        name: tenant,
        tenantId: tenant,
        reason: 'it is broken',
        pausedBy: 'ann',
        pausedAt: expect.any(Number),
      },
    });
    await known('tenant', tenant);
    const [held, free] = [await start(tenant), await start(other)];
    await finished(other, free);
    await eventually(async () => {
      expect(await queuedOf(tenant, held)).toMatchObject({
        pool: 'default',
        paused: { kind: 'tenant', name: tenant, reason: 'it is broken', pausedBy: 'ann' },
      });
    }, PATIENCE);
    expect(ran(held)).toBe(0);
    expect(await end(who('default'), 'tenant', tenant)).toMatchObject({ pause: { name: tenant } });
    await finished(tenant, held);
    expect(await platform.logProblems()).toEqual([]);
  });

  it('stays paused while every engine restarts', async () => {
    const tenant = newTenant();
    await begin(who('default'), 'tenant', tenant);
    await known('tenant', tenant);
    const held = await start(tenant);
    for (const [place, service] of services.entries()) {
      await platform.stop(service);
      services[place] = await platform.execution(`again-${place}`);
    }
    await eventually(() => services.every((service) => service.ownedPartitions().length > 0), PATIENCE);
    await eventually(async () => expect(await queuedOf(tenant, held)).toHaveProperty('paused'), PATIENCE);
    expect(ran(held)).toBe(0);
    await end(who('default'), 'tenant', tenant);
    await finished(tenant, held);
  });

  it('is paused and resumed by admins of the platform only', async () => {
    const tenant = newTenant();
    for (const ask of [begin, end]) {
      expect(await ask(who(tenant), 'tenant', tenant)).toMatchObject({ refused: { code: 'forbidden' } });
      expect(await ask(who('default', 'operator'), 'tenant', tenant)).toMatchObject({ refused: { code: 'forbidden' } });
    }
    expect(await list(who(tenant, 'viewer'))).toEqual({ pauses: [] });
  });
});

describe('a paused agent', () => {
  it('waits, and the tenant’s other agents run', async () => {
    const tenant = newTenant();
    expect(await begin(who(tenant), 'agent', 'nobody')).toMatchObject({ refused: { code: 'not_found' } });
    expect(await begin(who(tenant), 'agent', 'echo', {})).toMatchObject({ created: true, pause: { reason: '' } });
    expect(await begin(who(tenant), 'agent', 'echo', { reason: 'later' })).toMatchObject({
      pause: { reason: 'later' },
    });
    expect(await list(who(tenant, 'viewer'))).toMatchObject({ pauses: [{ kind: 'agent', name: 'echo' }] });
    // Long enough for every engine to look.
    await delay(1_500);
    const [held, other] = [await start(tenant), await start(newTenant())];
    await eventually(() => expect(ran(other)).toBeGreaterThan(0), PATIENCE);
    await eventually(async () => {
      expect(await queuedOf(tenant, held)).toMatchObject({ paused: { kind: 'agent', name: 'echo' } });
    }, PATIENCE);
    expect(ran(held)).toBe(0);
    expect(await list(who(newTenant()))).toEqual({ pauses: [] });
    expect(await end(who(newTenant()), 'agent', 'echo')).toMatchObject({ refused: { code: 'not_found' } });
    expect(await end(who(tenant), 'agent', 'echo')).toMatchObject({ pause: { reason: 'later' } });
    await finished(tenant, held);
    expect(await end(who(tenant), 'agent', 'echo')).toMatchObject({ refused: { code: 'not_found' } });
  });
});

describe('a paused pool', () => {
  it('is paused for one tenant by its admin, and for all by an admin of the platform', async () => {
    const [tenant, other] = [newTenant(), newTenant()];
    expect(await begin(who(tenant), 'pool', 'default')).toMatchObject({ pause: { tenantId: tenant } });
    const pausedFor = async (tenantId: string) => {
      const { pools } = await platform.control.request<ListPoolsReply>(operations.pools.list.subject, {
        pools: ['default'],
        forTenant: tenantId,
      });
      return pools[0]?.paused;
    };
    await eventually(async () => expect(await pausedFor(tenant)).toMatchObject({ tenantId: tenant }), PATIENCE);
    expect(await pausedFor(other)).toBeUndefined();
    expect(await begin(who('default'), 'pool', 'default', { reason: 'all of it' })).toMatchObject({ created: true });
    await known('pool', 'default');
    expect((await list(who(other))).pauses).toEqual([
      { kind: 'pool', name: 'default', reason: 'all of it', pausedBy: 'ann', pausedAt: expect.any(Number) },
    ]);
    const held = await start(other);
    await eventually(async () => {
      expect(await queuedOf(other, held)).toMatchObject({ paused: { kind: 'pool', reason: 'all of it' } });
    }, PATIENCE);
    expect(ran(held)).toBe(0);
    await end(who('default'), 'pool', 'default');
    await finished(other, held);
    await end(who(tenant), 'pool', 'default');
  });
});

describe('a request about a pause', () => {
  it.each<[string, string, string, unknown, string]>([
    ['another kind', 'runner', 'x', {}, 'not_found'],
    ['no name of a pool', 'pool', 'a b', {}, 'not_found'],
    ['no name of a tenant', 'tenant', '*', {}, 'not_found'],
    ['an unknown field', 'pool', 'default', { why: 'x' }, 'validation_failed'],
    ['no object', 'pool', 'default', [], 'validation_failed'],
    ['a reason that is no text', 'pool', 'default', { reason: 5 }, 'validation_failed'],
    ['a reason that is too long', 'pool', 'default', { reason: 'x'.repeat(1_001) }, 'validation_failed'],
  ])('with %s is refused, and nothing is paused', async (_what, kind, name, body, code) => {
    expect(await begin(who('default'), kind, name, body)).toMatchObject({ refused: { code } });
    expect(await list(who('default'))).toEqual({ pauses: [] });
  });
});
