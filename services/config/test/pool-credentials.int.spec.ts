import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { startConfig } from '@batuta/config';
import type { RunningConfig } from '@batuta/config';
import { operations } from '@batuta/contracts';
import type {
  AgentReply,
  CreateApiKeyReply,
  CreatePoolCredentialsReply,
  ListPoolCredentialsReply,
  PoolCredentialsReply,
  Principal,
} from '@batuta/contracts';
import { connectNats, controlClientOver } from '@batuta/messaging';
import type { ControlClient } from '@batuta/messaging';
import { createLogger } from '@batuta/observability';
import { createTestDatabase, eventually, startTestNats } from '@batuta/testing';
import type { TestDatabase, TestNats } from '@batuta/testing';
import { logger, principal, settingsFor } from './harness.js';

/** Workers are refused on purpose. */
const silent = createLogger({ service: 'worker', level: 'silent' });
let database: TestDatabase;
let nats: TestNats;
let service: RunningConfig;
let client: ControlClient;
let folder: string;
const ends: (() => Promise<void>)[] = [];

const start = (): Promise<RunningConfig> =>
  startConfig({
    settings: {
      ...settingsFor(database.url, nats.url),
      natsCredentials: nats.credentials,
      natsKeysFile: nats.keysFile,
      sharedPools: ['shared'],
    },
    logger,
    deliverAdminKey: () => Promise.resolve(),
    opsServer: false,
  });

beforeAll(async () => {
  [database, nats, folder] = await Promise.all([
    createTestDatabase(),
    startTestNats({ users: { pools: ['default'] } }),
    mkdtemp(join(tmpdir(), 'batuta-worker-')),
  ]);
  service = await start();
  const connection = await connectNats({
    url: nats.url,
    credentials: nats.credentials?.replace('{service}', 'gateway'),
    name: 'test',
    logger,
  });
  ends.push(() => connection.close());
  client = controlClientOver(connection);
  for (const tenant of ['acme', 'globex']) {
    const key = { principal: principal('default', 'admin'), userId: 'ada', role: 'admin', tenantId: tenant };
    await client.request<CreateApiKeyReply>(operations.apiKeys.create.subject, key);
  }
  for (const [tenant, name, pool] of [
    ['acme', 'counts', 'text'],
    ['acme', 'draws', 'shared'],
    ['globex', 'paints', 'shared'],
    ['default', 'own', 'house'],
    ['default', 'renders', 'shared'],
  ] as const) {
    const put = { principal: principal(tenant, 'admin'), name, body: { pool } };
    expect((await client.request<AgentReply>(operations.agents.put.subject, put)).refused).toBeUndefined();
  }
});

afterAll(async () => {
  for (const end of ends) await end();
  await service?.close();
  await nats?.close();
  await database?.drop();
  await rm(folder, { recursive: true, force: true });
});

const create = (as: Principal, request: object): Promise<CreatePoolCredentialsReply> =>
  client.request<CreatePoolCredentialsReply>(operations.poolCredentials.createCredentials.subject, {
    principal: as,
    ...request,
  });
/** A machine under load may not tell the server in time: then it is to be asked for again. */
const revoke = (as: Principal, pool: string, id: string): Promise<PoolCredentialsReply> =>
  eventually(
    async () => {
      const request = { principal: as, pool, id };
      const options = { timeoutMs: 20_000 };
      const reply = await client.request<PoolCredentialsReply>(
        operations.poolCredentials.revokeCredentials.subject,
        request,
        options,
      );
      return reply.refused?.code === 'unavailable' ? false : reply;
    },
    { timeoutMs: 60_000 },
  );
const ADMIN = principal('acme', 'admin');

let files = 0;
async function connectWith(file = ''): Promise<Awaited<ReturnType<typeof connectNats>>> {
  files += 1;
  const credentials = join(folder, `${files}.creds`);
  await writeFile(credentials, file);
  const connection = await connectNats({ url: nats.url, credentials, name: 'worker', logger: silent });
  ends.push(() => connection.close());
  return connection;
}

describe('credentials of a pool', () => {
  it('let workers take tasks of it and do nothing else, until the time that was asked for', async () => {
    const expiresAt = Date.now() + 3_600_000;
    const { credentials, file } = await create(ADMIN, { pool: 'text', name: 'host 7', expiresAt });
    expect(credentials).toMatchObject({ pool: 'text', name: 'host 7', createdBy: ADMIN.userId });
    expect(credentials?.expiresAt).toBe(Math.floor(expiresAt / 1_000) * 1_000);
    const worker = await connectWith(file);
    const info = await worker.request('$JS.API.CONSUMER.INFO.STEPS.text-high', '', { timeout: 30_000 });
    expect(info.json()).toMatchObject({ error: { code: 404 } });
    for (const subject of [
      '$JS.API.CONSUMER.INFO.STEPS.shared-high',
      operations.apiKeys.create.subject,
      operations.poolCredentials.createCredentials.subject,
    ]) {
      await expect(worker.request(subject, '{}', { timeout: 30_000 })).rejects.toThrow(/permissions/i);
    }
    const [claims = ''] = /eyJ[\w-]+\.([\w-]+)\./.exec(file ?? '')?.slice(1) ?? [];
    const { exp } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as { exp: number };
    expect(exp * 1_000).toBe(credentials?.expiresAt);
  });

  it('are made by admins only, for pools that serve their tenant and no other', async () => {
    const code = async (as: Principal, pool: string): Promise<string | undefined> =>
      (await create(as, { pool })).refused?.code;
    expect(await code(principal('acme', 'operator'), 'text')).toBe('forbidden');
    expect(await code(ADMIN, 'house')).toBe('not_found');
    expect(await code(ADMIN, 'text.>')).toBe('not_found');
    expect(await code(ADMIN, 'shared')).toBe('forbidden');
    expect(await code(ADMIN, 'default')).toBe('forbidden');
    const platform = principal('default', 'admin');
    expect(await code(platform, 'text')).toBe('not_found');
    for (const pool of ['house', 'shared', 'default']) expect(await code(platform, pool)).toBeUndefined();
    expect(await create(ADMIN, { pool: 'text', expiresAt: Date.now() - 1 })).toMatchObject({
      refused: { code: 'validation_failed', violations: [{ path: '/expires_at', code: 'out_of_range' }] },
    });
  });

  it('are listed without the file, newest first, to their own tenant', async () => {
    const made = await create(ADMIN, { pool: 'text', name: 'newest' });
    const list = (as: Principal, more: object = {}): Promise<ListPoolCredentialsReply> =>
      client.request<ListPoolCredentialsReply>(operations.poolCredentials.listCredentials.subject, {
        principal: as,
        pool: 'text',
        ...more,
      });
    const first = await list(ADMIN, { limit: 1 });
    expect(first.credentials).toEqual([made.credentials]);
    const second = await list(ADMIN, { limit: 200, cursor: first.nextCursor });
    expect(second.credentials.map(({ name }) => name)).toContain('host 7');
    expect(JSON.stringify([first, second])).not.toMatch(/SEED|eyJ/);
    expect((await list(principal('globex', 'admin'))).credentials).toEqual([]);
    expect((await list(principal('acme', 'operator'))).refused?.code).toBe('forbidden');
  });

  it('are shown one by one to admins of their own tenant, and revoked only as they were seen', async () => {
    const { file: _shownOnce, ...made } = await create(ADMIN, { pool: 'text' });
    const id = made.credentials?.id ?? '';
    const get = (as: Principal, pool = 'text'): Promise<PoolCredentialsReply> =>
      client.request<PoolCredentialsReply>(operations.poolCredentials.getCredentials.subject, {
        principal: as,
        pool,
        id,
      });
    expect(await get(ADMIN)).toEqual(made);
    expect((await get(principal('acme', 'operator'))).refused?.code).toBe('forbidden');
    for (const reply of [get(principal('globex', 'admin')), get(principal('default', 'admin')), get(ADMIN, 'shared')]) {
      expect((await reply).refused?.code).toBe('not_found');
    }
    const preconditions = { ifMatch: { tags: ['another'] } };
    const stale = { principal: ADMIN, pool: 'text', id, preconditions };
    expect(
      (await client.request<PoolCredentialsReply>(operations.poolCredentials.revokeCredentials.subject, stale)).refused
        ?.code,
    ).toBe('version_conflict');
    const revoked = await revoke(ADMIN, 'text', id);
    expect(revoked.etag).not.toBe(made.etag);
    expect(await get(ADMIN)).toEqual(revoked);
  });

  it('disconnect their own workers and no others when they are revoked, also when the server has lost its files', async () => {
    const [one, two] = [await create(ADMIN, { pool: 'text' }), await create(ADMIN, { pool: 'text' })];
    const [cut, kept] = [await connectWith(one.file), await connectWith(two.file)];
    const id = one.credentials?.id ?? '';
    expect((await revoke(principal('globex', 'admin'), 'text', id)).refused?.code).toBe('not_found');
    expect((await revoke(ADMIN, 'shared', id)).refused?.code).toBe('not_found');
    await cut.flush();
    const done = await revoke(ADMIN, 'text', id);
    expect(done.credentials?.revokedAt).toBeGreaterThan(Date.now() - 60_000);
    // It is closed at once, and each try to come back is refused.
    await eventually(
      async () => {
        await expect(connectWith(one.file)).rejects.toThrow(/authorization|revoked/i);
      },
      { timeoutMs: 120_000 },
    );
    await kept.flush();
    expect((await revoke(ADMIN, 'text', id)).credentials).toEqual(done.credentials);

    await service.close();
    await nats.stop();
    await rm(join(dirname(nats.keysFile ?? ''), 'accounts'), { recursive: true });
    await nats.start();
    // The keys know of no revocation: the service tells it again.
    await (await connectWith(one.file)).close();
    service = await start();
    await eventually(
      async () => {
        await expect(connectWith(one.file)).rejects.toThrow(/authorization|revoked/i);
      },
      { timeoutMs: 120_000 },
    );
    await (await connectWith(two.file)).close();
  });

  it('are refused where the platform has no keys for them', async () => {
    const other = await createTestDatabase();
    const settings = { ...settingsFor(other.url, nats.url), natsCredentials: nats.credentials };
    await service.close();
    const without = await startConfig({ settings, logger, deliverAdminKey: () => Promise.resolve(), opsServer: false });
    try {
      const reply = await create(principal('default', 'admin'), { pool: 'default' });
      expect(reply.refused).toMatchObject({
        code: 'not_applicable',
        message: expect.stringMatching(/BATUTA_NATS_KEYS/),
      });
    } finally {
      await without.close();
      await other.drop();
      service = await start();
    }
  });
});
