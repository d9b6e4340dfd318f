import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT, operations } from '@batuta/contracts';
import type {
  ConfigReply,
  GetVersionReply,
  JsonValue,
  ListConfigsReply,
  ListVersionsReply,
  Principal,
  ResolveConfigReply,
  TenantSettingsReply,
} from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import pg from 'pg';
import { createConfig, principal, simpleConfig, startConfigUnderTest } from './harness.js';
import type { ConfigUnderTest } from './harness.js';

let under: ConfigUnderTest;
beforeAll(async () => {
  under = await startConfigUnderTest();
});
afterAll(() => under.close());

const ask = <Reply = ConfigReply>(pattern: string, as: Principal, request: object = {}): Promise<Reply> =>
  under.client.request<Reply>(pattern, { principal: as, ...request });
const resolve = (tenantId: string, id: string) =>
  under.client.request<ResolveConfigReply>(operations.configs.resolve.subject, { tenantId, id });

/** Lets a tenant see global configs, or not. */
async function allowGlobal(tenantId: string, globalConfigs: boolean): Promise<void> {
  const client = new pg.Client({ connectionString: under.databaseUrl });
  await client.connect();
  await client.query('INSERT INTO config.tenants (id) VALUES ($1) ON CONFLICT DO NOTHING', [tenantId]);
  await client.end();
  const as = principal(tenantId, 'admin');
  const body = { global_configs: globalConfigs };
  const reply = await under.client.request<TenantSettingsReply>(operations.tenantSettings.setSettings.subject, {
    principal: as,
    tenantId,
    body,
  });
  expect(reply).toMatchObject({ tenantId, settings: { globalConfigs } });
}

const ifMatch = (...tags: string[]) => ({ preconditions: { ifMatch: { tags } } });
const tagOf = async (as: Principal, id: string, more: object = {}): Promise<string> =>
  (await ask(operations.configs.get.subject, as, { id, ...more })).etag ?? 'none';

const MISSING = '01900000-0000-7000-8000-000000000000';

describe('create, get, resolve and version', () => {
  const me = principal('main');

  it('gives the document back as it was written, by id and by name', async () => {
    const document = simpleConfig('größe 😀', {
      description: 'd',
      metadata: { z: 1, a: { y: [1, null] } },
      settings: { timeout_ms: 5 },
      input_schema: { type: 'object' },
    });
    const made = await createConfig(under, me, document);
    expect(made).toMatchObject({ tenantId: 'main', ownerId: 'someone', version: 1, isActive: true });
    for (const id of [made.id, 'größe 😀']) {
      const { config } = await ask(operations.configs.get.subject, me, { id });
      expect(JSON.stringify(config?.definition)).toBe(JSON.stringify(document));
      expect(config).toEqual(made);
    }
    expect(await resolve('main', 'größe 😀')).toEqual({
      configId: made.id,
      version: 1,
      hasInputSchema: true,
      leaseMs: 200,
    });
    const version = await under.client.request<GetVersionReply>(operations.configs.definition.subject, {
      configId: made.id,
      version: 1,
    });
    expect(version).toEqual({ configId: made.id, version: 1, tenantId: 'main', definition: document });
  });

  it('keeps each version as it was, and resolves to the newest', async () => {
    const made = await createConfig(under, me, simpleConfig('versions'));
    const second = simpleConfig('versions', { description: 'second' });
    const updated = await ask(operations.configs.update.subject, me, {
      id: made.id,
      definition: second,
      ...ifMatch(await tagOf(me, made.id)),
    });
    expect(updated.config).toMatchObject({ id: made.id, version: 2, definition: second });
    expect(await resolve('main', made.id)).toMatchObject({ version: 2, hasInputSchema: false });
    const first = await under.client.request<GetVersionReply>(operations.configs.definition.subject, {
      configId: made.id,
      version: 1,
    });
    expect(first.definition).toEqual(simpleConfig('versions'));
    expect((await ask(operations.configs.get.subject, me, { id: made.id, version: 1 })).config).toMatchObject({
      version: 1,
    });
    expect((await ask(operations.configs.get.subject, me, { id: made.id, version: 3 })).refused?.code).toBe(
      'not_found',
    );
    const list = await ask<ListVersionsReply>(operations.configs.versions.subject, me, { id: made.id });
    expect(list.versions.map(({ version }) => version)).toEqual([2, 1]);
    const older = await ask<ListVersionsReply>(operations.configs.versions.subject, me, {
      id: made.id,
      beforeVersion: 2,
    });
    expect(older.versions.map(({ version }) => version)).toEqual([1]);
  });

  it('answers a change only when no lease on the old version is left', async () => {
    const tenant = principal('leases');
    await allowGlobal('leases', true);
    const owner = principal(DEFAULT_TENANT, 'admin');
    const global = await createConfig(under, owner, {
      ...simpleConfig('leased'),
      is_global: true,
    });
    /** Resolves all the time while something changes. */
    const changed = async (id: string, before: object, change: () => Promise<unknown>) => {
      let leasedUntil = 0;
      let answeredAt = 0;
      const first = await resolve('leases', id);
      expect(first).toMatchObject(before);
      const changing = change().then(() => {
        answeredAt = performance.now();
      });
      while (answeredAt === 0) {
        const sentAt = performance.now();
        const { configId, version, leaseMs = 0, refused } = await resolve('leases', id);
        const same = refused === undefined && configId === first.configId && version === first.version;
        if (same) leasedUntil = sentAt + leaseMs;
      }
      await changing;
      expect(answeredAt).toBeGreaterThanOrEqual(leasedUntil);
    };
    const own = await createConfig(under, tenant, simpleConfig('owned'));
    const version2 = { id: own.id, definition: simpleConfig('owned', { description: 'two' }) };
    await changed('owned', { version: 1 }, () => ask(operations.configs.update.subject, tenant, version2));
    await changed(own.id, { version: 2 }, () => ask(operations.configs.delete.subject, tenant, { id: own.id }));
    expect((await resolve('leases', 'owned')).refused?.code).toBe('not_found');
    const forbidden = (): Promise<unknown> => allowGlobal('leases', false);
    await changed('leased', { configId: global.id }, forbidden);
    await allowGlobal('leases', true);
    await changed('leased', { configId: global.id }, () => createConfig(under, tenant, simpleConfig('leased')));
    // Every tenant would see it.
    await ask(operations.configs.delete.subject, owner, { id: global.id });
  });

  it('refuses every mistake at once and stores nothing', async () => {
    const reply = await ask(operations.configs.create.subject, me, {
      definition: {
        name: 'wrong',
        strategy: 'parallel',
        steps: [
          { id: 'a', name: 'A', agent: 'nobody', dependencies: ['b'], timeout_ms: 0 },
          { id: 'b', name: 'B', agent: 'echo', dependencies: ['a', 'x'], when: 'a +' },
        ],
        input_schema: { type: 'strin' },
      },
    });
    expect(reply.refused?.code).toBe('validation_failed');
    const found = reply.refused?.violations?.map(({ path, code }) => `${path} ${code}`) ?? [];
    expect(found).toEqual(
      expect.arrayContaining([
        '/steps/0/timeout_ms out_of_range',
        '/steps/1/dependencies/1 unknown_dependency',
        '/steps/0/dependencies cycle',
        '/steps/0/agent unknown_agent',
        '/input_schema/type invalid_schema',
        '/steps/1/when bad_expression',
      ]),
    );
    expect((await ask(operations.configs.get.subject, me, { id: 'wrong' })).refused?.code).toBe('not_found');
  });

  it('says no to a name that is taken, also among updates', async () => {
    await createConfig(under, me, simpleConfig('taken'));
    const other = await createConfig(under, me, simpleConfig('other'));
    expect(
      (await ask(operations.configs.create.subject, me, { definition: simpleConfig('taken') })).refused?.code,
    ).toBe('name_taken');
    const renamed = await ask(operations.configs.update.subject, me, {
      id: other.id,
      definition: simpleConfig('taken'),
    });
    expect(renamed.refused?.code).toBe('name_taken');
    expect((await ask(operations.configs.get.subject, me, { id: other.id })).config?.version).toBe(1);
    await createConfig(under, principal('elsewhere'), simpleConfig('taken'));
  });

  it('announces each change', async () => {
    const made = await createConfig(under, me, simpleConfig('announced'));
    const change = { kind: 'config', tenantId: 'main', id: made.id };
    await eventually(() => expect(under.changes).toContainEqual(change));
  });

  it.each([['x\0y'], ['\ud800'], ['a'.repeat(2000)], [''], ["'; DROP TABLE x; --"], ['%'], [null], [{}]])(
    'finds nothing under the id %j',
    async (id) => {
      expect((await ask(operations.configs.get.subject, me, { id })).refused?.code).toBe('not_found');
      expect(
        (await ask(operations.configs.update.subject, me, { id, definition: simpleConfig('u') })).refused?.code,
      ).toBe('not_found');
      expect((await ask(operations.configs.restore.subject, me, { id })).refused?.code).toBe('not_found');
    },
  );
});

describe('updates that meet', () => {
  const me = principal('races');

  it('loses none: with the same expected version one wins, and versions have no gap', async () => {
    const made = await createConfig(under, me, simpleConfig('race'));
    const seen = ifMatch(await tagOf(me, made.id));
    const replies = await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        ask(operations.configs.update.subject, me, {
          id: made.id,
          definition: simpleConfig('race', { description: `by ${n}` }),
          ...seen,
        }),
      ),
    );
    const winners = replies.filter(({ config }) => config !== undefined);
    expect(winners).toHaveLength(1);
    for (const { refused } of replies.filter((reply) => reply.config === undefined)) {
      expect(refused).toMatchObject({ code: 'version_conflict', details: { current_version: 2 } });
    }
    const blind = await Promise.all(
      Array.from({ length: 5 }, () =>
        ask(operations.configs.update.subject, me, { id: made.id, definition: simpleConfig('race') }),
      ),
    );
    expect(blind.map(({ config }) => config?.version).toSorted()).toEqual([3, 4, 5, 6, 7]);
  });

  it('lets one of many creates with the same name through', async () => {
    const replies = await Promise.all(
      Array.from({ length: 10 }, () =>
        ask(operations.configs.create.subject, me, { definition: simpleConfig('once') }),
      ),
    );
    expect(replies.filter(({ config }) => config !== undefined)).toHaveLength(1);
    expect(replies.filter(({ refused }) => refused?.code === 'name_taken')).toHaveLength(9);
  });
});

describe('a merge patch', () => {
  const me = principal('patching');
  const patch = (id: string, definition: JsonValue, more: object = {}) =>
    ask(operations.configs.update.subject, me, { id, definition, merge: true, ...more });

  it('changes the fields that it names and keeps the rest, in both forms', async () => {
    const made = await createConfig(under, me, {
      ...simpleConfig('patched'),
      description: 'before',
      settings: { timeout_ms: 5_000, parallel_limit: 2 },
    });
    const first = await patch(made.id, { description: null, settings: { parallel_limit: null, priority: 'high' } });
    const { description: _gone, ...kept } = made.definition;
    expect(first.config).toMatchObject({
      version: 2,
      definition: { settings: { timeout_ms: 5_000, priority: 'high' } },
    });
    expect(first.config?.definition).toEqual({ ...kept, settings: { timeout_ms: 5_000, priority: 'high' } });
    const second = await patch('patched', { steps: { settings: { timeout_ms: 7_000 } } });
    expect(second.config?.definition.settings).toEqual({ timeout_ms: 7_000, priority: 'high' });
    expect(second.config?.definition.steps).toEqual(made.definition.steps);
  });

  it('is refused with the mistakes of its result, at their places in the patch', async () => {
    const made = await createConfig(under, me, simpleConfig('patched wrong'));
    const flat = await patch(made.id, { steps: [{ id: 'a', name: 'A' }], colour: 1 });
    expect(flat.refused?.violations?.map(({ path }) => path)).toEqual(['/steps/0/agent', '/colour']);
    const nested = await patch(made.id, { steps: { steps: [{ id: 'a', name: 'A' }] } });
    expect(nested.refused?.violations?.map(({ path }) => path)).toEqual(['/steps/steps/0/agent']);
    expect((await patch(made.id, { name: null })).refused?.violations).toMatchObject([{ path: '/name' }]);
    expect((await ask(operations.configs.get.subject, me, { id: made.id })).config?.version).toBe(1);
  });

  it('loses nothing when many come at once, and holds to the version that the caller has seen', async () => {
    const made = await createConfig(under, me, simpleConfig('patched at once'));
    const fields = ['a', 'b', 'c', 'd'];
    const replies = await Promise.all(fields.map((field) => patch(made.id, { metadata: { [field]: 1 } })));
    expect(replies.map(({ config }) => config?.version).toSorted()).toEqual([2, 3, 4, 5]);
    const { config, etag } = await ask(operations.configs.get.subject, me, { id: made.id });
    expect(config?.definition.metadata).toEqual({ a: 1, b: 1, c: 1, d: 1 });
    const seen = ifMatch(etag ?? '');
    expect((await patch(made.id, { metadata: { e: 1 } }, seen)).config?.version).toBe(6);
    expect((await patch(made.id, { metadata: { e: 1 } }, seen)).refused).toMatchObject({
      code: 'version_conflict',
      details: { current_version: 6 },
    });
  });

  it('of another tenant finds nothing, and a viewer may not make one', async () => {
    const made = await createConfig(under, me, simpleConfig('patched by nobody'));
    const change = { id: made.id, definition: { description: 'mine' }, merge: true };
    expect((await ask(operations.configs.update.subject, principal('stranger'), change)).refused?.code).toBe(
      'not_found',
    );
    expect((await ask(operations.configs.update.subject, { ...me, role: 'viewer' }, change)).refused?.code).toBe(
      'forbidden',
    );
  });
});

describe('delete and restore', () => {
  const me = principal('bin');

  it('hides a deleted config but keeps its versions for what runs', async () => {
    const made = await createConfig(under, me, simpleConfig('gone'));
    expect((await ask(operations.configs.delete.subject, me, { id: made.id, ...ifMatch('9') })).refused?.code).toBe(
      'version_conflict',
    );
    expect((await ask(operations.configs.delete.subject, me, { id: 'gone' })).config).toMatchObject({
      isActive: false,
      deletedAt: expect.any(Number),
    });
    expect((await ask(operations.configs.delete.subject, me, { id: made.id })).refused?.code).toBe('not_found');
    expect((await ask(operations.configs.get.subject, me, { id: made.id })).refused?.code).toBe('not_found');
    expect(
      (await ask(operations.configs.update.subject, me, { id: made.id, definition: simpleConfig('gone') })).refused
        ?.code,
    ).toBe('not_found');
    expect((await resolve('bin', made.id)).refused?.code).toBe('not_found');
    expect(
      (await ask(operations.configs.get.subject, me, { id: made.id, includeDeleted: true })).config?.isActive,
    ).toBe(false);
    const version = await under.client.request<GetVersionReply>(operations.configs.definition.subject, {
      configId: made.id,
      version: 1,
    });
    expect(version.definition?.name).toBe('gone');
  });

  it('restores by id unless the name was taken meanwhile', async () => {
    const made = await createConfig(under, me, simpleConfig('back'));
    expect((await ask(operations.configs.restore.subject, me, { id: made.id })).refused?.code).toBe('conflict');
    await ask(operations.configs.delete.subject, me, { id: made.id });
    const newer = await createConfig(under, me, simpleConfig('back'));
    expect((await ask(operations.configs.restore.subject, me, { id: made.id })).refused?.code).toBe('name_taken');
    await ask(operations.configs.delete.subject, me, { id: newer.id });
    const restored = await ask(operations.configs.restore.subject, me, { id: made.id });
    expect(restored.config).toMatchObject({ isActive: true, version: 1 });
    expect(restored.config).not.toHaveProperty('deletedAt');
    expect(await resolve('bin', 'back')).toMatchObject({ configId: made.id });
  });
});

describe('entity tags', () => {
  const me = principal('tags');

  it('are others after a delete and a restore, though the version is the same', async () => {
    const made = await createConfig(under, me, simpleConfig('tagged'));
    const before = { config: await tagOf(me, made.id), version: await tagOf(me, made.id, { version: 1 }) };
    const gone = await ask(operations.configs.delete.subject, me, { id: made.id, ...ifMatch(before.config) });
    expect(gone.config?.isActive).toBe(false);
    const deleted = { includeDeleted: true };
    expect(await tagOf(me, made.id, deleted)).toBe(gone.etag);
    expect(await tagOf(me, made.id, { version: 1, ...deleted })).not.toBe(before.version);
    expect(
      (await ask(operations.configs.restore.subject, me, { id: made.id, ...ifMatch(before.config) })).refused?.code,
    ).toBe('version_conflict');
    const back = await ask(operations.configs.restore.subject, me, { id: made.id, ...ifMatch(gone.etag ?? '') });
    expect([back.config?.version, back.config?.isActive]).toEqual([1, true]);
    const tags = [before.config, gone.etag, back.etag];
    expect(new Set(tags).size).toBe(3);
    for (const stale of [before.config, gone.etag ?? '']) {
      const write = { id: made.id, definition: simpleConfig('tagged'), ...ifMatch(stale) };
      expect((await ask(operations.configs.update.subject, me, write)).refused).toMatchObject({
        code: 'version_conflict',
        details: { current_version: 1, current_etag: `"${back.etag}"` },
      });
    }
    expect(
      (await ask(operations.configs.update.subject, me, { id: made.id, definition: simpleConfig('tagged') })).config
        ?.version,
    ).toBe(2);
    // Version 1 itself is what it was, whatever becomes of the config after it.
    expect(await tagOf(me, made.id, { version: 1 })).toBe(before.version);
  });

  it('are others for a config that was made again under the name', async () => {
    await createConfig(under, me, simpleConfig('again'));
    const first = await tagOf(me, 'again');
    await ask(operations.configs.delete.subject, me, { id: 'again' });
    await createConfig(under, me, simpleConfig('again'));
    expect(await tagOf(me, 'again')).not.toBe(first);
    const write = { id: 'again', definition: simpleConfig('again'), ...ifMatch(first) };
    expect((await ask(operations.configs.update.subject, me, write)).refused?.code).toBe('version_conflict');
  });

  it('versions of a deleted config answer as the config does', async () => {
    const made = await createConfig(under, me, simpleConfig('hidden'));
    await ask(operations.configs.delete.subject, me, { id: made.id });
    for (const request of [{ id: made.id }, { id: made.id, version: 1 }]) {
      expect((await ask(operations.configs.get.subject, me, request)).refused?.code).toBe('not_found');
      expect((await ask(operations.configs.get.subject, me, { ...request, includeDeleted: true })).config?.id).toBe(
        made.id,
      );
    }
    expect((await ask(operations.configs.versions.subject, me, { id: made.id })).refused?.code).toBe('not_found');
    const listed = await ask<ListVersionsReply>(operations.configs.versions.subject, me, {
      id: made.id,
      includeDeleted: true,
    });
    expect(listed.versions).toHaveLength(1);
  });
});

describe('list', () => {
  const me = principal('lists', 'admin', 'ann');
  const names = (reply: ListConfigsReply) => reply.configs.map(({ definition }) => definition.name);

  it('leaves out as many as the offset says, and counts all that match', async () => {
    const counted = principal('counted');
    for (const name of ['c1', 'c2', 'c3', 'other']) await createConfig(under, counted, simpleConfig(name));
    const names = async (request: object): Promise<{ names: string[]; total: number | undefined }> => {
      const { configs, total } = await ask<ListConfigsReply>(operations.configs.list.subject, counted, request);
      return { names: configs.map(({ definition }) => definition.name), total };
    };
    expect(await names({ nameContains: 'c', offset: 1, limit: 1, withTotal: true })).toEqual({
      names: ['c2'],
      total: 3,
    });
    expect(await names({ offset: 4, withTotal: true })).toEqual({ names: [], total: 4 });
    expect(await names({ nameContains: '\0', withTotal: true })).toEqual({ names: [], total: 0 });
    expect((await names({})).total).toBeUndefined();
    const { nextCursor } = await ask<ListConfigsReply>(operations.configs.list.subject, counted, { limit: 2 });
    expect(await names({ cursor: nextCursor, withTotal: true })).toEqual({ names: ['c2', 'c1'], total: 4 });
  });

  it('pages through everything once, whatever is added meanwhile', async () => {
    const made: string[] = [];
    for (let n = 0; n < 7; n += 1) {
      await createConfig(under, me, simpleConfig(`page ${n}`));
      made.unshift(`page ${n}`);
    }
    const seen: string[] = [];
    let cursor = '';
    do {
      const page: ListConfigsReply = await ask<ListConfigsReply>(operations.configs.list.subject, me, {
        limit: 3,
        cursor,
      });
      seen.push(...names(page));
      cursor = page.nextCursor ?? '';
      if (cursor !== '') await createConfig(under, me, simpleConfig(`late ${seen.length}`));
    } while (cursor !== '');
    expect(seen).toEqual(made);
  });

  it('filters by name, strategy and owner', async () => {
    await createConfig(under, principal('lists', 'operator', 'bob'), {
      ...simpleConfig('Has 100%_Marks'),
      strategy: 'parallel',
    });
    const find = async (filter: object) =>
      names(await ask<ListConfigsReply>(operations.configs.list.subject, me, filter));
    expect(await find({ nameContains: '100%_m' })).toEqual(['Has 100%_Marks']);
    expect(await find({ nameContains: '%' })).toEqual(['Has 100%_Marks']);
    expect(await find({ strategy: 'parallel' })).toEqual(['Has 100%_Marks']);
    expect(await find({ ownerId: 'bob' })).toEqual(['Has 100%_Marks']);
    expect(await find({ ownerId: 'nobody' })).toEqual([]);
    expect(await find({ nameContains: 'a\0' })).toEqual([]);
  });

  it('refuses a cursor that it did not give', async () => {
    for (const cursor of ['x', '!!', Buffer.from('{"v":1,"after":"1; DROP"}').toString('base64url')]) {
      const reply = await ask<ListConfigsReply>(operations.configs.list.subject, me, { cursor });
      expect(reply.refused?.violations?.[0]).toMatchObject({ path: '/cursor', code: 'bad_cursor' });
    }
  });

  it('ends a page early rather than send more than a message holds', async () => {
    const big = principal('big');
    for (let n = 0; n < 6; n += 1) {
      await createConfig(under, big, simpleConfig(`big ${n}`, { metadata: { text: 'x'.repeat(1_000_000) } }));
    }
    const first = await ask<ListConfigsReply>(operations.configs.list.subject, big, { limit: 100 });
    const second = await ask<ListConfigsReply>(operations.configs.list.subject, big, {
      limit: 100,
      cursor: first.nextCursor,
    });
    expect(names(first).length).toBeLessThan(6);
    expect([...names(first), ...names(second)]).toEqual([5, 4, 3, 2, 1, 0].map((n) => `big ${n}`));
    expect(second.nextCursor).toBeUndefined();
  });
});

describe('tenants and roles', () => {
  const owner = principal('owner');
  const stranger = principal('stranger');

  it("shows nothing of another tenant's config", async () => {
    const made = await createConfig(under, owner, simpleConfig('private'));
    for (const id of [made.id, 'private']) {
      expect((await ask(operations.configs.get.subject, stranger, { id })).refused?.code).toBe('not_found');
      expect((await ask(operations.configs.delete.subject, stranger, { id })).refused?.code).toBe('not_found');
      expect(
        (await ask(operations.configs.update.subject, stranger, { id, definition: simpleConfig('p') })).refused?.code,
      ).toBe('not_found');
      expect((await ask(operations.configs.versions.subject, stranger, { id })).refused?.code).toBe('not_found');
      expect((await resolve('stranger', id)).refused?.code).toBe('not_found');
    }
    await ask(operations.configs.delete.subject, owner, { id: made.id });
    expect((await ask(operations.configs.restore.subject, stranger, { id: made.id })).refused?.code).toBe('not_found');
    expect(
      (await ask(operations.configs.get.subject, stranger, { id: made.id, includeDeleted: true })).refused?.code,
    ).toBe('not_found');
    expect(
      (await ask<ListConfigsReply>(operations.configs.list.subject, stranger, { includeDeleted: true })).configs,
    ).toEqual([]);
  });

  it('lets tenants that allow it see and run a global config, and its owner alone change it', async () => {
    const publisher = principal(DEFAULT_TENANT);
    await allowGlobal('stranger', true);
    const first = await createConfig(under, publisher, simpleConfig('shared', { description: 'secret draft' }));
    const shared = simpleConfig('shared', { is_global: true });
    await ask(operations.configs.update.subject, publisher, { id: first.id, definition: shared });
    const seen = await ask(operations.configs.get.subject, stranger, { id: 'shared' });
    expect(seen.config).toMatchObject({ id: first.id, version: 2, tenantId: DEFAULT_TENANT });
    expect(await resolve('stranger', 'shared')).toMatchObject({ configId: first.id, version: 2 });
    const listed = await ask<ListConfigsReply>(operations.configs.list.subject, stranger, {});
    expect(listed.configs.map(({ id }) => id)).toContain(first.id);
    // What was written before it became global stays the owner's own.
    expect((await ask(operations.configs.get.subject, stranger, { id: first.id, version: 1 })).refused?.code).toBe(
      'not_found',
    );
    const versions = await ask<ListVersionsReply>(operations.configs.versions.subject, stranger, { id: first.id });
    expect(versions.versions.map(({ version }) => version)).toEqual([2]);
    expect(
      (await ask(operations.configs.update.subject, stranger, { id: first.id, definition: shared })).refused?.code,
    ).toBe('forbidden');
    expect((await ask(operations.configs.delete.subject, stranger, { id: 'shared' })).refused?.code).toBe('forbidden');

    const own = await createConfig(under, stranger, simpleConfig('shared'));
    expect(await resolve('stranger', 'shared')).toMatchObject({ configId: own.id });
    const clash = await ask(operations.configs.update.subject, stranger, { id: own.id, definition: shared });
    expect(clash.refused).toMatchObject({ code: 'forbidden' });

    await ask(operations.configs.delete.subject, publisher, { id: first.id });
    expect(
      (await ask(operations.configs.get.subject, stranger, { id: first.id, includeDeleted: true })).refused?.code,
    ).toBe('not_found');
  });

  it('shows and resolves no global config for a tenant that has not allowed them, by name or by id', async () => {
    const publisher = principal(DEFAULT_TENANT);
    const draft = await createConfig(under, publisher, simpleConfig('on request', { description: 'draft' }));
    const definition = simpleConfig('on request', { is_global: true });
    await ask(operations.configs.update.subject, publisher, { id: draft.id, definition });
    const reader = principal('reader', 'admin');
    const ids = ['on request', draft.id];
    const version = (id: string, asked: number, includeDeleted = false) =>
      under.client.request<ResolveConfigReply>(operations.configs.resolve.subject, {
        tenantId: 'reader',
        id,
        version: asked,
        includeDeleted,
      });
    const listed = async (): Promise<boolean> =>
      (await ask<ListConfigsReply>(operations.configs.list.subject, reader, {})).configs.some(
        ({ id }) => id === draft.id,
      );
    for (const allowed of [undefined, true, false]) {
      if (allowed !== undefined) await allowGlobal('reader', allowed);
      const there = allowed === true ? undefined : 'not_found';
      for (const id of ids) {
        expect((await resolve('reader', id)).refused?.code).toBe(there);
        expect((await ask(operations.configs.get.subject, reader, { id })).refused?.code).toBe(there);
        expect((await ask(operations.configs.versions.subject, reader, { id })).refused?.code).toBe(there);
        expect((await version(id, 2)).refused?.code).toBe(there);
        // What was written before it was published is nobody's who only reads.
        expect((await version(id, 1)).refused?.code).toBe('not_found');
        expect((await version(id, 1, true)).refused?.code).toBe('not_found');
        expect((await version(id, 3)).refused?.code).toBe('not_found');
      }
      expect((await version(draft.id, 2, true)).refused?.code).toBe(there);
      expect(await listed()).toBe(allowed === true);
    }
    // Its own tenant has it whatever is set, each version, and after it was deleted too.
    expect(await resolve(DEFAULT_TENANT, 'on request')).toMatchObject({ configId: draft.id, version: 2 });
    await ask(operations.configs.delete.subject, publisher, { id: draft.id });
    const asked = { tenantId: DEFAULT_TENANT, id: draft.id, version: 1 };
    expect(
      (await under.client.request<ResolveConfigReply>(operations.configs.resolve.subject, asked)).refused?.code,
    ).toBe('not_found');
    const copied = { ...asked, includeDeleted: true };
    expect(await under.client.request(operations.configs.resolve.subject, copied)).toMatchObject({
      configId: draft.id,
      version: 1,
    });
  });

  it("publishes nothing of another tenant than the platform's own", async () => {
    const global = simpleConfig('free lunch', { is_global: true });
    expect((await ask(operations.configs.create.subject, owner, { definition: global })).refused?.code).toBe(
      'forbidden',
    );
    const made = await createConfig(under, owner, simpleConfig('free lunch'));
    expect(
      (await ask(operations.configs.update.subject, owner, { id: made.id, definition: global })).refused?.code,
    ).toBe('forbidden');
    // One of a version that let every tenant publish: nobody else sees it, and its owner may withdraw it.
    const client = new pg.Client({ connectionString: under.databaseUrl });
    await client.connect();
    await client.query('UPDATE config.orchestration_configs SET is_global = true WHERE id = $1', [made.id]);
    await client.end();
    expect((await ask(operations.configs.get.subject, stranger, { id: made.id })).refused?.code).toBe('not_found');
    expect((await ask(operations.configs.get.subject, stranger, { id: 'free lunch' })).refused?.code).toBe('not_found');
    expect((await resolve('stranger', 'free lunch')).refused?.code).toBe('not_found');
    const listed = await ask<ListConfigsReply>(operations.configs.list.subject, stranger, {});
    expect(listed.configs.map(({ id }) => id)).not.toContain(made.id);
    const withdrawn = await ask(operations.configs.update.subject, owner, {
      id: made.id,
      definition: simpleConfig('free lunch'),
    });
    expect(withdrawn.config).toMatchObject({ id: made.id, version: 2 });
  });

  it('refuses a global config that calls back', async () => {
    const definition = simpleConfig('calls', { is_global: true, settings: { callback_url: 'https://example.org/' } });
    const { refused } = await ask(operations.configs.create.subject, principal(DEFAULT_TENANT), { definition });
    expect(refused?.violations).toMatchObject([{ path: '/settings/callback_url', code: 'contradiction' }]);
  });

  it('asks for the role that an action takes', async () => {
    const viewer = principal(DEFAULT_TENANT, 'viewer');
    const operator = principal(DEFAULT_TENANT, 'operator');
    const admin = principal(DEFAULT_TENANT, 'admin');
    expect(
      (await ask(operations.configs.create.subject, viewer, { definition: simpleConfig('r') })).refused?.code,
    ).toBe('forbidden');
    const made = await createConfig(under, operator, simpleConfig('r'));
    expect((await ask(operations.configs.get.subject, viewer, { id: 'r' })).config?.id).toBe(made.id);
    for (const pattern of [
      operations.configs.update.subject,
      operations.configs.delete.subject,
      operations.configs.restore.subject,
    ]) {
      const reply = await ask(pattern, viewer, { id: made.id, definition: simpleConfig('r') });
      expect(reply.refused?.code).toBe('forbidden');
    }
    const published = simpleConfig('r', { is_global: true });
    expect((await ask(operations.configs.create.subject, operator, { definition: published })).refused?.code).toBe(
      'forbidden',
    );
    expect(
      (await ask(operations.configs.update.subject, operator, { id: made.id, definition: published })).refused?.code,
    ).toBe('forbidden');
    expect(
      (await ask(operations.configs.update.subject, admin, { id: made.id, definition: published })).config?.version,
    ).toBe(2);
    expect(
      (await ask(operations.configs.update.subject, operator, { id: made.id, definition: simpleConfig('r') })).refused
        ?.code,
    ).toBe('forbidden');
    expect((await ask(operations.configs.delete.subject, operator, { id: made.id })).refused?.code).toBe('forbidden');
  });

  it('does not know a config that never was', async () => {
    expect((await ask(operations.configs.get.subject, owner, { id: MISSING })).refused?.code).toBe('not_found');
    const version = await under.client.request<GetVersionReply>(operations.configs.definition.subject, {
      configId: MISSING,
      version: 1,
    });
    expect(version.refused?.code).toBe('not_found');
  });
});

describe('PostgreSQL', () => {
  it('may end every connection: the service makes new ones', async () => {
    const me = principal('reconnects');
    const made = await createConfig(under, me, simpleConfig('survivor'));
    const client = new pg.Client({ connectionString: under.databaseUrl });
    await client.connect();
    const { rowCount } = await client.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    await client.end();
    expect(rowCount).toBeGreaterThan(0);
    await eventually(async () =>
      expect((await ask(operations.configs.get.subject, me, { id: made.id })).config).toEqual(made),
    );
  });

  it('refuses every change of a version', async () => {
    const client = new pg.Client({ connectionString: under.databaseUrl });
    await client.connect();
    try {
      const change = client.query("UPDATE config.orchestration_config_versions SET definition = '{}'");
      await expect(change).rejects.toThrow(/immutable/);
    } finally {
      await client.end();
    }
  });
});
