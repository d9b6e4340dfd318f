import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BUILT_IN_AGENTS, operations } from '@batuta/contracts';
import type { AgentReply, ConfigReply, ListAgentsReply, Principal } from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import pg from 'pg';
import { startConfig } from '@batuta/config';
import { createConfig, logger, principal, settingsFor, simpleConfig, startConfigUnderTest } from './harness.js';
import type { ConfigUnderTest } from './harness.js';

let under: ConfigUnderTest;
beforeAll(async () => {
  under = await startConfigUnderTest();
});
afterAll(() => under.close());

const admin = principal('agents');
const put = (name: string, body: unknown, as: Principal = admin) =>
  under.client.request<AgentReply>(operations.agents.put.subject, { principal: as, name, body });
const get = (name: string, tenantId = 'agents') =>
  under.client.request<AgentReply>(operations.agents.get.subject, { tenantId, name });
const remove = (name: string, as: Principal = admin) =>
  under.client.request<AgentReply>(operations.agents.delete.subject, { principal: as, name });

const using = (name: string, agent: string, more: object = {}) =>
  simpleConfig(name, { steps: [{ id: 'a', name: 'A', agent, ...more }] });

describe('the pool of an agent', () => {
  const foreign = principal('foreign');
  const claims = async (): Promise<unknown[]> => {
    const client = new pg.Client({ connectionString: under.databaseUrl });
    await client.connect();
    try {
      return (
        await client.query("SELECT pool, tenant_id FROM config.pool_tenants WHERE pool LIKE 'claim%' ORDER BY 1, 2")
      ).rows;
    } finally {
      await client.end();
    }
  };

  it('is refused to a tenant when another has it, also after that one deleted its agent', async () => {
    expect((await put('mine', { pool: 'claimed' })).agent).toMatchObject({ pool: 'claimed' });
    expect((await put('theirs', { pool: 'claimed' }, foreign)).refused?.code).toBe('pool_taken');
    // What is refused leaves no agent behind, and does not change one.
    expect((await get('theirs', 'foreign')).refused?.code).toBe('not_found');
    expect((await put('theirs', { pool: 'claim-of-foreign' }, foreign)).agent?.revision).toBe(1);
    expect((await put('theirs', { pool: 'claimed' }, foreign)).refused?.code).toBe('pool_taken');
    expect((await get('theirs', 'foreign')).agent).toMatchObject({ pool: 'claim-of-foreign', revision: 1 });
    await remove('mine');
    expect((await put('theirs', { pool: 'claimed' }, foreign)).refused?.code).toBe('pool_taken');
    expect((await put('mine', { pool: 'claimed' })).agent).toMatchObject({ pool: 'claimed' });
  });

  it('goes to one tenant when several ask for it at once', async () => {
    const tenants = Array.from({ length: 8 }, (_, index) => principal(`racer-${index}`));
    const replies = await Promise.all(tenants.map((as) => put('racer', { pool: 'claimed-at-once' }, as)));
    expect(replies.filter(({ agent }) => agent !== undefined)).toHaveLength(1);
    expect(replies.filter(({ refused }) => refused?.code === 'pool_taken')).toHaveLength(7);
  });

  it('may be the built-in one and a shared one for everybody', async () => {
    for (const pool of ['default', 'everybody']) {
      for (const as of [admin, foreign]) expect((await put('common', { pool }, as)).agent).toMatchObject({ pool });
    }
  });

  it('stays with the tenants that had agents in it before, and is refused to others', async () => {
    const client = new pg.Client({ connectionString: under.databaseUrl });
    await client.connect();
    try {
      for (const tenantId of ['agents', 'foreign']) {
        await client.query(
          `INSERT INTO config.agents (tenant_id, name, pool, description, revision) VALUES ($1, 'old', 'claim-old', '', 1)`,
          [tenantId],
        );
      }
    } finally {
      await client.end();
    }
    const another = await startConfig({
      settings: settingsFor(under.databaseUrl, under.natsUrl),
      logger,
      opsServer: false,
    });
    await another.close();
    expect(await claims()).toEqual(
      expect.arrayContaining([
        { pool: 'claim-old', tenant_id: 'agents' },
        { pool: 'claim-old', tenant_id: 'foreign' },
      ]),
    );
    for (const as of [admin, foreign]) expect((await put('old', { pool: 'claim-old' }, as)).agent?.revision).toBe(2);
    expect((await put('new', { pool: 'claim-old' }, principal('late'))).refused?.code).toBe('pool_taken');
  });

  it('is one of at most a hundred', async () => {
    const greedy = principal('greedy');
    for (let index = 0; index < 100; index += 1) {
      expect((await put('a', { pool: `greedy-${index}` }, greedy)).agent).toBeDefined();
    }
    expect((await put('a', { pool: 'greedy-100' }, greedy)).refused?.code).toBe('conflict');
    expect((await put('a', { pool: 'greedy-5' }, greedy)).agent).toBeDefined();
  });
});

describe('a merge patch of an agent', () => {
  const patch = (name: string, body: unknown, more: object = {}, as: Principal = admin) =>
    under.client.request<AgentReply>(operations.agents.put.subject, {
      principal: as,
      name,
      body,
      merge: true,
      ...more,
    });

  it('changes the fields that it names, also within schemas, and removes a field with null', async () => {
    await put('patched', {
      pool: 'patched-pool',
      description: 'old',
      input_schema: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } },
      output_schema: false,
    });
    const first = await patch('patched', { description: 'new', input_schema: { required: null, maxProperties: 3 } });
    expect(first.agent).toMatchObject({ pool: 'patched-pool', description: 'new', outputSchema: false, revision: 2 });
    expect(first.agent?.inputSchema).toEqual({
      type: 'object',
      properties: { text: { type: 'string' } },
      maxProperties: 3,
    });
    const second = await patch('patched', { description: null, output_schema: null });
    expect(second.agent).toMatchObject({ description: '', revision: 3 });
    expect(second.agent).not.toHaveProperty('outputSchema');
    expect((await get('patched')).agent).toEqual(second.agent);
  });

  it('is refused with the mistakes, for an unknown agent, and without the role', async () => {
    await put('patched-wrong', { pool: 'patched-pool' });
    expect((await patch('patched-wrong', { pool: null })).refused?.violations).toMatchObject([{ path: '/pool' }]);
    expect((await patch('patched-wrong', { colour: 1 })).refused?.violations).toMatchObject([{ path: '/colour' }]);
    expect((await patch('patched-wrong', { input_schema: { type: 7 } })).refused?.code).toBe('validation_failed');
    expect((await patch('patched-wrong', [])).refused?.code).toBe('validation_failed');
    expect((await patch('nobody-there', { description: '' })).refused?.code).toBe('not_found');
    expect((await patch('echo', { description: '' })).refused?.code).toBe('forbidden');
    expect((await patch('patched-wrong', { description: '' }, {}, principal('other'))).refused?.code).toBe('not_found');
    const operator = principal('agents', 'operator');
    expect((await patch('patched-wrong', { description: '' }, {}, operator)).refused?.code).toBe('forbidden');
    expect((await get('patched-wrong')).agent?.revision).toBe(1);
  });

  it('loses nothing when several come at once, and holds to If-Match', async () => {
    await put('patched-at-once', { pool: 'patched-pool', input_schema: { type: 'object' } });
    const fields = ['a', 'b', 'c', 'd'];
    const replies = await Promise.all(
      fields.map((field) => patch('patched-at-once', { input_schema: { properties: { [field]: {} } } })),
    );
    expect(replies.map(({ refused }) => refused)).toEqual([undefined, undefined, undefined, undefined]);
    const { agent, etag } = await get('patched-at-once');
    expect(agent?.revision).toBe(5);
    expect(
      Object.keys((agent?.inputSchema as { properties: object } | undefined)?.properties ?? {}).toSorted(),
    ).toEqual(fields);
    const seen = { preconditions: { ifMatch: { tags: [etag] } } };
    expect((await patch('patched-at-once', { description: 'e' }, seen)).agent?.revision).toBe(6);
    expect((await patch('patched-at-once', { description: 'f' }, seen)).refused?.code).toBe('version_conflict');
    expect((await get('patched-at-once')).agent?.description).toBe('e');
  });
});

describe('put', () => {
  it('makes an agent, changes it and counts its revisions', async () => {
    const made = await put('gpu', { pool: 'gpu-pool', description: 'draws', input_schema: { type: 'object' } });
    expect(made.agent).toMatchObject({
      name: 'gpu',
      pool: 'gpu-pool',
      inputSchema: { type: 'object' },
      builtIn: false,
      revision: 1,
    });
    const changed = await put('gpu', { pool: 'other', output_schema: false });
    expect(changed.agent).toMatchObject({ pool: 'other', description: '', outputSchema: false, revision: 2 });
    expect(changed.agent).not.toHaveProperty('inputSchema');
    expect((await get('gpu')).agent).toEqual(changed.agent);
    await eventually(() => under.changes.filter(({ kind, id }) => kind === 'agent' && id === 'gpu').length === 2);
  });

  it('counts every revision when changes meet', async () => {
    const replies = await Promise.all(Array.from({ length: 8 }, () => put('busy', { pool: 'p' })));
    expect(replies.map(({ agent }) => agent?.revision).toSorted()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it.each([
    ['echo', { pool: 'p' }, '/name reserved_name'],
    ['a b', { pool: 'p' }, '/name bad_format'],
    ['', { pool: 'p' }, '/name too_short'],
    ['ok', {}, '/pool required'],
    ['ok', { pool: 'a.b' }, '/pool bad_format'],
    ['ok', { pool: 'p', colour: 1 }, '/colour unknown_field'],
    ['ok', { pool: 'p', input_schema: { type: 'x' } }, '/input_schema/type invalid_schema'],
    ['ok', { pool: 'p', description: 'a\0' }, '/description invalid_character'],
    ['ok', null, ' wrong_type'],
  ])('refuses %j %j', async (name, body, expected) => {
    const { refused } = await put(name, body);
    expect(refused?.code).toBe('validation_failed');
    expect(refused?.violations?.map(({ path, code }) => `${path} ${code}`)).toContain(expected);
    expect((await get('ok')).refused?.code).toBe('not_found');
  });
});

describe('get and list', () => {
  it('knows the built-in agents in every tenant and the rest in their own', async () => {
    await put('mine', { pool: 'p' });
    expect((await get('echo', 'nobody')).agent).toMatchObject({ builtIn: true, pool: 'default' });
    expect((await get('mine', 'nobody')).refused?.code).toBe('not_found');
    expect((await get('a\0')).refused?.code).toBe('not_found');
    const { agents } = await under.client.request<ListAgentsReply>(operations.agents.list.subject, {
      tenantId: 'nobody',
    });
    expect(agents.map(({ name }) => name)).toEqual([...BUILT_IN_AGENTS]);
    const own = await under.client.request<ListAgentsReply>(operations.agents.list.subject, { tenantId: 'agents' });
    expect(own.agents.map(({ name }) => name)).toContain('mine');
  });
});

describe('agents in configs', () => {
  it('must be registered agents of the config’s own tenant', async () => {
    await put('local', { pool: 'p' });
    await createConfig(under, admin, using('uses local', 'local'));
    const other = await under.client.request<ConfigReply>(operations.configs.create.subject, {
      principal: principal('foreign'),
      definition: using('x', 'local'),
    });
    expect(other.refused?.violations?.[0]).toMatchObject({ path: '/steps/0/agent', code: 'unknown_agent' });
    const published = await under.client.request<ConfigReply>(operations.configs.create.subject, {
      principal: admin,
      definition: { ...using('x', 'local'), is_global: true },
    });
    expect(published.refused?.violations?.[0]).toMatchObject({ code: 'agent_not_global' });
  });

  it('keeps an agent while a config uses it, wherever it does', async () => {
    await put('needed', { pool: 'p' });
    const asStep = await createConfig(under, admin, using('as step', 'needed'));
    const asUndo = await createConfig(under, admin, using('as undo', 'echo', { compensate: { agent: 'needed' } }));
    const { refused } = await remove('needed');
    expect(refused).toMatchObject({ code: 'conflict', details: { total: 2 } });
    expect(refused?.message).toContain('"as step"');
    await under.client.request(operations.configs.delete.subject, { principal: admin, id: asStep.id });
    await under.client.request(operations.configs.update.subject, {
      principal: admin,
      id: asUndo.id,
      definition: using('as undo', 'echo'),
    });
    expect((await remove('needed')).agent?.name).toBe('needed');
    expect((await get('needed')).refused?.code).toBe('not_found');
    const restored = await under.client.request<ConfigReply>(operations.configs.restore.subject, {
      principal: admin,
      id: asStep.id,
    });
    expect(restored.refused?.violations?.[0]?.code).toBe('unknown_agent');
  });

  it('never leaves a config without its agent when both happen at once', async () => {
    for (let round = 0; round < 10; round += 1) {
      const name = `contested-${round}`;
      await put(name, { pool: 'p' });
      const [saved, gone] = await Promise.all([
        under.client.request<ConfigReply>(operations.configs.create.subject, {
          principal: admin,
          definition: using(name, name),
        }),
        remove(name),
      ]);
      expect([saved.config !== undefined, gone.agent !== undefined].toSorted()).toEqual([false, true]);
    }
  });

  it('asks for an admin', async () => {
    const operator = principal('agents', 'operator');
    expect((await put('nope', { pool: 'p' }, operator)).refused?.code).toBe('forbidden');
    expect((await remove('gpu', operator)).refused?.code).toBe('forbidden');
    expect((await remove('echo')).refused?.code).toBe('forbidden');
    expect((await remove('never')).refused?.code).toBe('not_found');
    expect((await remove('gpu', principal('foreign'))).refused?.code).toBe('not_found');
  });
});
