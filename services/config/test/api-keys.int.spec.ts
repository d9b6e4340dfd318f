import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAdminKey, hashKey, startConfig } from '@batuta/config';
import { encodeCursor, operations } from '@batuta/contracts';
import type { ApiKeyReply, AuthenticateReply, CreateApiKeyReply, ListApiKeysReply, Principal } from '@batuta/contracts';
import { createTestDatabase, eventually } from '@batuta/testing';
import pg from 'pg';
import { logger, principal, settingsFor, startConfigUnderTest } from './harness.js';
import type { ConfigUnderTest } from './harness.js';

let under: ConfigUnderTest;
beforeAll(async () => {
  under = await startConfigUnderTest(3);
});
afterAll(() => under.close());

const authenticate = (key: string) =>
  under.client.request<AuthenticateReply>(operations.apiKeys.authenticate.subject, { keyHash: hashKey(key) });
const create = (as: Principal, request: object) =>
  under.client.request<CreateApiKeyReply>(operations.apiKeys.create.subject, {
    principal: as,
    userId: 'u',
    role: 'viewer',
    ...request,
  });

describe('the first start', () => {
  it('makes one admin key of the tenant default, however many replicas start at once', async () => {
    expect(under.adminKeys).toHaveLength(1);
    const { principal: found, expiresAt } = await authenticate(under.adminKeys[0] ?? '');
    expect(found).toMatchObject({ tenantId: 'default', role: 'admin', userId: 'admin' });
    expect(expiresAt).toBe(0);
  });

  it('makes another key when the first could not be kept', async () => {
    const database = await createTestDatabase();
    const start = (deliverAdminKey: (secret: string) => Promise<void>) =>
      startConfig({ settings: settingsFor(database.url, under.natsUrl), logger, deliverAdminKey, opsServer: false });
    const secrets: string[] = [];
    const keep = (secret: string) => Promise.resolve(void secrets.push(secret));
    const lose = (secret: string) => keep(secret).then(() => Promise.reject(new Error('disk full')));
    await expect(start(lose)).rejects.toThrow('disk full');
    await (await start(keep)).close();
    await (await start(keep)).close();
    expect(secrets).toHaveLength(2);
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const { rows } = await client.query<{ key_hash: string }>('SELECT key_hash FROM config.api_keys');
    await client.end();
    await database.drop();
    expect(rows).toEqual([{ key_hash: hashKey(secrets[1] ?? '') }]);
  });

  it('writes it to a file that only its owner can read, and replaces an older file', async () => {
    const database = await createTestDatabase();
    const folder = await mkdtemp(join(tmpdir(), 'batuta-key-'));
    const file = join(folder, 'admin.key');
    await writeFile(file, 'from an attempt that failed', { mode: 0o644 });
    const settings = { ...settingsFor(database.url, under.natsUrl), adminKeyFile: file };
    await (await startConfig({ settings, logger, opsServer: false })).close();
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readFile(file, 'utf8')).toMatch(/^batuta_[0-9A-Za-z]{43}\n$/);
    await rm(folder, { recursive: true });
    await database.drop();
  });

  it('lets somebody with access to the database make another admin key', async () => {
    const secret = await createAdminKey(under.databaseUrl, { tenantId: 'rescued' });
    expect((await authenticate(secret)).principal).toMatchObject({ tenantId: 'rescued', role: 'admin' });
    await expect(createAdminKey(under.databaseUrl, { tenantId: 'No Good' })).rejects.toThrow(TypeError);
    await expect(createAdminKey(under.databaseUrl, { tenantId: 'constructor' })).rejects.toThrow(TypeError);
    await expect(createAdminKey(under.databaseUrl, { userId: 'ada\u200b' })).rejects.toThrow(TypeError);
  });
});

describe('keys', () => {
  it('shows a key once and stores only its hash', async () => {
    const made = await create(principal('keys'), { role: 'operator', userId: 'ann', name: 'laptop' });
    expect(made.secret).toMatch(/^batuta_[0-9A-Za-z]{43}$/);
    expect(made.key).toMatchObject({ tenantId: 'keys', userId: 'ann', role: 'operator', name: 'laptop' });
    const reply = await authenticate(made.secret ?? '');
    expect(reply.principal).toEqual({ tenantId: 'keys', userId: 'ann', role: 'operator', keyId: made.key?.id });
    const list = await under.client.request<ListApiKeysReply>(operations.apiKeys.list.subject, {
      principal: principal('keys'),
    });
    expect(list.keys).toEqual([made.key]);
    expect(JSON.stringify(list)).not.toContain((made.secret ?? '').slice(14));
  });

  it('lists keys in pages, each once, and refuses an invalid cursor', async () => {
    const as = principal('paged');
    for (let n = 1; n <= 5; n += 1) await create(as, { role: 'viewer', userId: `user-${n}` });
    const page = (more: { limit?: number; cursor?: string }) =>
      under.client.request<ListApiKeysReply>(operations.apiKeys.list.subject, { principal: as, ...more });
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const { keys, nextCursor } = await page({ limit: 2, ...(cursor === undefined ? {} : { cursor }) });
      seen.push(...keys.map(({ userId }) => userId));
      cursor = nextCursor;
    } while (cursor !== undefined && seen.length < 10);
    expect(seen).toEqual(['user-5', 'user-4', 'user-3', 'user-2', 'user-1']);
    for (const wrong of [
      'x',
      encodeCursor('configs', '01900000-0000-7000-8000-000000000000'),
      encodeCursor('api-keys', 'x'),
    ]) {
      const { refused } = await page({ cursor: wrong });
      expect(refused?.violations).toMatchObject([{ path: '/cursor', code: 'bad_cursor' }]);
    }
  });

  it.each(['', 'batuta_x', 'a'.repeat(64)])('does not know the key %j', async (key) => {
    expect((await authenticate(key)).principal).toBeUndefined();
    const raw = await under.client.request<AuthenticateReply>(operations.apiKeys.authenticate.subject, {
      keyHash: key,
    });
    expect(raw.principal).toBeUndefined();
  });

  it('forgets a revoked key at once and for good', async () => {
    const made = await create(principal('revokes'), {});
    const revoke = (as: Principal) =>
      under.client.request<ApiKeyReply>(operations.apiKeys.revoke.subject, { principal: as, id: made.key?.id });
    expect((await revoke(principal('other'))).refused?.code).toBe('not_found');
    expect((await authenticate(made.secret ?? '')).principal).toBeDefined();
    const revoked = await revoke(principal('revokes'));
    expect(revoked.key?.revokedAt).toEqual(expect.any(Number));
    expect((await authenticate(made.secret ?? '')).principal).toBeUndefined();
    expect(await revoke(principal('revokes'))).toEqual(revoked);
    await eventually(() => under.changes.some(({ kind, id }) => kind === 'key' && id === made.key?.id));
  });

  it('ends a key at its time', async () => {
    const long = await create(principal('times'), { expiresAt: Date.now() + 3_600_000 });
    expect((await authenticate(long.secret ?? '')).expiresAt).toBe(long.key?.expiresAt);
    const short = await create(principal('times'), { expiresAt: Date.now() + 3_000 });
    await eventually(async () => (await authenticate(short.secret ?? '')).principal === undefined);
  });

  it.each([
    [{ userId: '' }, '/user_id'],
    [{ userId: 'a\0b' }, '/user_id'],
    [{ role: 'root' }, '/role'],
    [{ expiresAt: 1 }, '/expires_at'],
    [{ expiresAt: 1e300 }, '/expires_at'],
    [{ tenantId: 'Not Good' }, '/tenant_id'],
    [{ name: 'x'.repeat(256) }, '/name'],
  ])('refuses %j', async (request, path) => {
    const { refused } = await create(principal('default'), request);
    expect(refused?.code).toBe('validation_failed');
    expect(refused?.violations?.map((violation) => violation.path)).toContain(path);
  });

  it('lets only an admin of the tenant default reach into other tenants', async () => {
    const made = await create(principal('default'), { tenantId: 'new-tenant', role: 'admin' });
    expect((await authenticate(made.secret ?? '')).principal?.tenantId).toBe('new-tenant');
    const about = (pattern: string, as: Principal): Promise<ApiKeyReply> =>
      under.client.request<ApiKeyReply>(pattern, { principal: as, id: made.key?.id });
    for (const pattern of [operations.apiKeys.get.subject, operations.apiKeys.revoke.subject]) {
      expect((await about(pattern, principal('keys'))).refused?.code).toBe('not_found');
      expect((await about(pattern, principal('default', 'operator'))).refused?.code).toBe('forbidden');
    }
    expect((await about(operations.apiKeys.get.subject, principal('default'))).key).toEqual(made.key);
    expect((await about(operations.apiKeys.revoke.subject, principal('default'))).key?.revokedAt).toEqual(
      expect.any(Number),
    );
    expect((await authenticate(made.secret ?? '')).principal).toBeUndefined();
    // Gateways of that tenant's users hear of it.
    const told = { kind: 'key', tenantId: 'new-tenant', id: made.key?.id };
    await eventually(() => expect(under.changes).toContainEqual(told));
    expect((await create(principal('keys'), { tenantId: 'default' })).refused?.code).toBe('forbidden');
    expect((await create(principal('default', 'operator'), {})).refused?.code).toBe('forbidden');
    const list = await under.client.request<ListApiKeysReply>(operations.apiKeys.list.subject, {
      principal: principal('keys', 'operator'),
    });
    expect(list).toMatchObject({ refused: { code: 'forbidden' } });
  });
});

describe('health', () => {
  it('is ready and shows its metrics', async () => {
    const port = under.services[0]?.opsPort;
    const ready = await fetch(`http://127.0.0.1:${port}/health/ready`);
    expect([ready.status, await ready.json()]).toMatchObject([200, { checks: { postgres: 'ok', nats: 'ok' } }]);
    await authenticate('x');
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    expect(metrics).toContain(
      'batuta_config_request_seconds_count{handler="ApiKeysController.authenticate",outcome="ok"}',
    );
  });
});
