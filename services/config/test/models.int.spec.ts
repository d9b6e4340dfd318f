import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { operations } from '@batuta/contracts';
import type { ListModelsReply, ModelReply, Principal } from '@batuta/contracts';
import pg from 'pg';
import { principal, startConfigUnderTest } from './harness.js';
import type { ConfigUnderTest } from './harness.js';

const me = principal('default');
const other = principal('other');
const BODY = { provider: 'openai', model: 'gpt-4o-mini', api_key: '{{secret:OPENAI}}' };

let under: ConfigUnderTest;

const put = (name: string, body: object, as: Principal = me, more: object = {}): Promise<ModelReply> =>
  under.client.request<ModelReply>(operations.models.put.subject, { principal: as, name, body, ...more });
const get = (tenantId: string, name: string): Promise<ModelReply> =>
  under.client.request<ModelReply>(operations.models.get.subject, { tenantId, name });

beforeAll(async () => {
  under = await startConfigUnderTest();
  const database = new pg.Client({ connectionString: under.databaseUrl });
  await database.connect();
  await database.query(`INSERT INTO config.tenants (id) VALUES ('default'), ('other') ON CONFLICT DO NOTHING`);
  await database.end();
  await under.client.request(operations.secrets.put.subject, {
    principal: me,
    name: 'OPENAI',
    body: { value: 'sk-0123456789' },
  });
});

afterAll(() => under?.close());

describe('models', () => {
  it('are made, changed, listed and deleted, each by its own tenant', async () => {
    const made = await put('writer', { ...BODY, temperature: 0, prices: { input: 1, output: 2 }, base_url: null });
    expect(made).toMatchObject({
      created: true,
      model: {
        name: 'writer',
        provider: 'openai',
        model: 'gpt-4o-mini',
        apiKey: '{{secret:OPENAI}}',
        temperature: 0,
        prices: { input: 1, output: 2 },
        revision: 1,
        tenantId: 'default',
      },
    });
    expect(made.model).not.toHaveProperty('baseUrl');
    const changed = await put('writer', BODY);
    expect(changed).toMatchObject({ model: { revision: 2 } });
    expect(changed.model).not.toHaveProperty('prices');
    expect(await get('default', 'writer')).toMatchObject({ etag: changed.etag, model: { revision: 2 } });
    expect((await get('other', 'writer')).refused?.code).toBe('not_found');
    const stale = await put('writer', BODY, me, { preconditions: { ifMatch: { tags: [made.etag] } } });
    expect(stale.refused?.code).toBe('version_conflict');
    await put('local', { provider: 'openai_compatible', model: 'llama', base_url: 'http://127.0.0.1:11434/v1' });
    const list = async (tenantId: string): Promise<string[]> =>
      (await under.client.request<ListModelsReply>(operations.models.list.subject, { tenantId })).models.map(
        ({ name }) => name,
      );
    expect(await list('default')).toEqual(['local', 'writer']);
    expect(await list('other')).toEqual([]);
    const gone = { principal: other, name: 'writer' };
    expect((await under.client.request<ModelReply>(operations.models.delete.subject, gone)).refused?.code).toBe(
      'not_found',
    );
    const mine = { principal: me, name: 'writer' };
    expect((await under.client.request<ModelReply>(operations.models.delete.subject, mine)).model?.name).toBe('writer');
    expect((await get('default', 'writer')).refused?.code).toBe('not_found');
  });

  it('are an admin’s to set', async () => {
    const operator = principal('default', 'operator');
    expect((await put('writer', BODY, operator)).refused?.code).toBe('forbidden');
    const request = { principal: operator, name: 'local' };
    expect((await under.client.request<ModelReply>(operations.models.delete.subject, request)).refused?.code).toBe(
      'forbidden',
    );
  });

  it.each([
    ['/provider', 'required', { model: 'x' }],
    ['/provider', 'not_allowed', { ...BODY, provider: 'opnai' }],
    ['/model', 'required', { provider: 'openai', api_key: BODY.api_key }],
    ['/api_key', 'required', { provider: 'anthropic', model: 'x' }],
    ['/api_key', 'bad_format', { ...BODY, api_key: 'sk-live-0123456789' }],
    ['/api_key', 'bad_format', { ...BODY, api_key: 'Bearer {{secret:OPENAI}}' }],
    ['/api_key', 'bad_format', { ...BODY, api_key: '{{secret:OPENAI}}{{secret:OPENAI}}' }],
    ['/api_key', 'unknown_secret', { ...BODY, api_key: '{{secret:OPENAJ}}' }],
    ['/base_url', 'required', { provider: 'openai_compatible', model: 'x' }],
    ['/base_url', 'bad_format', { ...BODY, base_url: 'file:///etc/passwd' }],
    ['/base_url', 'bad_format', { ...BODY, base_url: 'https://user:word@host/v1' }],
    ['/base_url', 'secret_not_allowed', { ...BODY, base_url: 'https://host/{{secret:OPENAI}}' }],
    ['/prices/output', 'required', { ...BODY, prices: { input: 1 } }],
    ['/temperature', 'out_of_range', { ...BODY, temperature: 3 }],
    ['/max_output_tokens', 'out_of_range', { ...BODY, max_output_tokens: 0 }],
    ['/key', 'unknown_field', { ...BODY, key: 'x' }],
  ])('are refused with a mistake at %s: %s', async (path, code, body) => {
    const { refused } = await put('bad', body);
    expect(refused?.code).toBe('validation_failed');
    expect(refused?.violations?.map((each) => [each.path, each.code])).toContainEqual([path, code]);
  });

  it('have keys only of their own tenant', async () => {
    const { refused } = await put('writer', BODY, other);
    expect(refused?.violations).toMatchObject([{ path: '/api_key', code: 'unknown_secret' }]);
  });
});
