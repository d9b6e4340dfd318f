import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { operations } from '@batuta/contracts';
import type {
  ConfigReply,
  DocumentReply,
  ListTenantsReply,
  Principal,
  TenantLimitsReply,
  TenantSettingsReply,
  TenantTermsReply,
} from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import pg from 'pg';
import { principal, simpleConfig, startConfigUnderTest } from './harness.js';
import type { ConfigUnderTest } from './harness.js';

const platform = principal('default');
const acme = principal('acme');

let under: ConfigUnderTest;
let sql: pg.Client;

beforeAll(async () => {
  under = await startConfigUnderTest(2);
  sql = new pg.Client({ connectionString: under.databaseUrl });
  await sql.connect();
  await sql.query(`INSERT INTO config.tenants (id) VALUES ('default'), ('acme'), ('other') ON CONFLICT DO NOTHING`);
});

beforeEach(async () => {
  await sql.query(`UPDATE config.tenants SET limits = '{}', settings = '{}'`);
});

afterAll(async () => {
  await sql?.end();
  await under?.close();
});

const put = (body: unknown, as: Principal = platform, tenantId = 'acme', more: object = {}) =>
  under.client.request<TenantLimitsReply>(operations.tenants.setLimits.subject, {
    principal: as,
    tenantId,
    body,
    ...more,
  });
const get = (as: Principal, tenantId = 'acme') =>
  under.client.request<TenantLimitsReply>(operations.tenants.limits.subject, { principal: as, tenantId });
const terms = () => under.client.request<TenantTermsReply>(operations.tenants.terms.subject, {});

describe('settings of tenants', () => {
  const set = (body: unknown, as: Principal, tenantId = 'acme', more: object = {}) =>
    under.client.request<TenantSettingsReply>(operations.tenantSettings.setSettings.subject, {
      principal: as,
      tenantId,
      body,
      ...more,
    });
  const read = (as: Principal, tenantId = 'acme') =>
    under.client.request<TenantSettingsReply>(operations.tenantSettings.settings.subject, { principal: as, tenantId });

  it('are off at first, and set by admins of the tenant and of the platform', async () => {
    expect((await read(acme)).settings).toEqual({ globalConfigs: false });
    for (const as of [acme, platform]) {
      const on = await set({ global_configs: true }, as);
      expect(on.settings).toEqual({ globalConfigs: true });
      expect(await read(acme)).toEqual(on);
      // What is left out is off.
      expect((await set({}, as)).settings).toEqual({ globalConfigs: false });
    }
  });

  it('cannot be read or set by others', async () => {
    for (const as of [principal('acme', 'operator'), principal('acme', 'viewer')]) {
      expect((await set({ global_configs: true }, as)).refused?.code).toBe('forbidden');
      expect((await read(as)).refused?.code).toBe('forbidden');
    }
    const other = principal('other', 'admin');
    expect((await set({ global_configs: true }, other)).refused?.code).toBe('not_found');
    expect((await read(other)).refused?.code).toBe('not_found');
    expect((await set({}, platform, 'nobody')).refused?.code).toBe('not_found');
    expect((await read(acme)).settings).toEqual({ globalConfigs: false });
  });

  it('name every mistake, and know the state that a change was meant for', async () => {
    const { refused } = await set({ global_configs: 'yes', other: true }, acme);
    expect(refused?.violations?.map(({ path, code }) => `${path} ${code}`).toSorted()).toEqual([
      '/global_configs wrong_type',
      '/other unknown_field',
    ]);
    const { etag = '' } = await read(acme);
    await set({ global_configs: true }, acme);
    const late = await set({}, acme, 'acme', { preconditions: { ifMatch: { tags: [etag] } } });
    expect(late.refused?.code).toBe('version_conflict');
    expect((await read(acme)).settings).toEqual({ globalConfigs: true });
  });
});

describe('limits of tenants', () => {
  it('are set by an admin of the platform, read by admins of the tenant, and told to engines and gateways', async () => {
    const limits = { weight: 2, starts_per_second: 0.5, websockets: 0, unfinished_executions: null };
    const set = await put(limits);
    const held = { weight: 2, startsPerSecond: 0.5, websockets: 0 };
    expect(set).toMatchObject({ own: held, limits: held });
    expect((await get(acme)).own).toEqual(held);
    expect((await get(platform)).etag).toBe(set.etag);
    expect(await terms()).toEqual({ defaults: {}, tenants: { acme: held } });
    await eventually(() => expect(under.changes).toContainEqual({ kind: 'tenant', tenantId: 'acme', id: 'acme' }));
    // What is left out is the default again.
    expect((await put({})).own).toEqual({});
    expect((await terms()).tenants).toEqual({});
  });

  it.each([
    ['an admin of the tenant itself', acme],
    ['an admin of another tenant', principal('other')],
    ['an operator of the platform', principal('default', 'operator')],
  ])('are not set by %s', async (_who, as) => {
    expect((await put({ weight: 100 }, as)).refused?.code).toBe('forbidden');
    expect((await terms()).tenants).toEqual({});
  });

  it('of another tenant are not found, and operators do not read their own', async () => {
    expect((await get(principal('other'))).refused?.code).toBe('not_found');
    expect((await get(principal('acme', 'operator'))).refused?.code).toBe('forbidden');
    expect((await put({}, platform, 'nobody')).refused?.code).toBe('not_found');
    expect((await put({}, platform, `a' OR '1`)).refused?.code).toBe('not_found');
  });

  it('name every mistake', async () => {
    const { refused } = await put({ weight: 1_000, websockets: 1.5, unfinished_executions: 'x', many: 1 });
    expect(refused?.violations?.map(({ path, code }) => `${path} ${code}`).toSorted()).toEqual([
      '/many unknown_field',
      '/unfinished_executions wrong_type',
      '/websockets wrong_type',
      '/weight out_of_range',
    ]);
  });

  it('are compared with what the caller has seen', async () => {
    const { etag = '' } = await put({ weight: 2 });
    const ifMatch = { preconditions: { ifMatch: { tags: [etag] } } };
    expect((await put({ weight: 3 }, platform, 'acme', ifMatch)).refused).toBeUndefined();
    expect((await put({ weight: 4 }, platform, 'acme', ifMatch)).refused?.code).toBe('version_conflict');
  });

  it('list tenants to the platform alone, page by page', async () => {
    const list = (as: Principal, more: object = {}) =>
      under.client.request<ListTenantsReply>(operations.tenants.list.subject, { principal: as, ...more });
    expect((await list(acme)).refused?.code).toBe('forbidden');
    const ids: string[] = [];
    for (let cursor = ''; ;) {
      const { tenants, nextCursor = '' } = await list(platform, { limit: 2, cursor });
      ids.push(...tenants.map(({ id }) => id));
      if (nextCursor === '') break;
      cursor = nextCursor;
    }
    expect(ids).toEqual(['acme', 'default', 'other']);
    expect((await list(platform, { cursor: 'x' })).refused?.code).toBe('validation_failed');
  });
});

describe('the bytes of documents', () => {
  const document = (source: string, bytes: number) =>
    under.client.request<DocumentReply>(operations.knowledge.put.subject, {
      principal: acme,
      source,
      content: 'x'.repeat(bytes),
    });

  it('hold also when many are added at once, over several replicas', async () => {
    await put({ document_bytes: 10_000 });
    const replies = await Promise.all(Array.from({ length: 12 }, (_, n) => document(`n${n}`, 3_000)));
    expect(replies.filter(({ refused }) => refused === undefined)).toHaveLength(3);
    const refused = replies.find(({ refused }) => refused !== undefined)?.refused;
    expect(refused).toMatchObject({ code: 'limit_reached', details: { limit: 'document_bytes', most: 10_000 } });
    expect((await get(acme)).documentBytesUsed).toBe(9_000);
    // A document may be replaced by one of its size, and the tenant next door is not concerned.
    const stored = replies.findIndex(({ refused }) => refused === undefined);
    expect((await document(`n${stored}`, 3_001)).refused).toBeUndefined();
    expect((await document(`n${stored}`, 9_000)).refused?.code).toBe('limit_reached');
    await sql.query('DELETE FROM config.knowledge_documents');
  });

  it('are those of versions of configs too', async () => {
    await put({ document_bytes: 1_000 });
    const create = (name: string) =>
      under.client.request<ConfigReply>(operations.configs.create.subject, {
        principal: acme,
        definition: simpleConfig(name, { description: 'x'.repeat(500) }),
      });
    expect((await create('first')).refused).toBeUndefined();
    const { refused } = await create('second');
    expect(refused?.code).toBe('limit_reached');
    const { config } = await under.client.request<ConfigReply>(operations.configs.get.subject, {
      principal: acme,
      id: 'first',
    });
    const again = await under.client.request<ConfigReply>(operations.configs.update.subject, {
      principal: acme,
      id: config?.id,
      definition: simpleConfig('first', { description: 'y'.repeat(500) }),
    });
    expect(again.refused?.code).toBe('limit_reached');
    expect((await document('small', 10)).refused).toBeUndefined();
  });
});
