import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createPublicKey, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { operations } from '@batuta/contracts';
import type {
  CommandReply,
  ExecutionView,
  ExportExecutionReply,
  GetExecutionReply,
  ListExecutionsReply,
  Principal,
  Refusal,
  RetentionPolicyReply,
  VerifyExecutionReply,
} from '@batuta/contracts';
import { Secret } from '@batuta/settings';
import { eventually } from '@batuta/testing';
import type { ExecutionRow } from '../src/store/port.js';
import { PostgresExecutionStore } from '../src/store/postgres/postgres-execution-store.js';
import { archivedExecution } from '../src/archive/archived-execution.js';
import { openArchive } from '../src/archive/archive-settings.js';
import type { ArchiveSettings } from '../src/archive/archive-settings.js';
import type { ArchiveStore } from '../src/archive/archive-store.js';
import { eraseTenant, verifyExecutions } from '../src/index.js';
import type { Difference } from '../src/index.js';
import { executionId, startRequest } from './fixtures.js';
import { Platform } from './platform.js';

jest.setTimeout(300_000);

const PATIENCE = { timeoutMs: 90_000 };
const SCRIPT = join(import.meta.dirname, '../../../tools/check-bundle.mjs');
const S3RVER = join(import.meta.dirname, '../../../node_modules/.bin/s3rver');
const run = promisify(execFile);

let platform: Platform;
let folder = '';
let directory = '';
let metrics: () => Promise<string>;
const SEED = randomBytes(32);

const OFTEN = {
  BATUTA_EXECUTION_RETENTION_EVERY: '100ms',
  BATUTA_EXECUTION_RETENTION_RATE: '1000',
  BATUTA_EXECUTION_SEAL: '50ms',
  BATUTA_EXECUTION_SEAL_KEYS: SEED.toString('base64'),
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'batuta-archive-'));
  directory = join(folder, 'kept');
  await mkdir(directory);
  platform = await Platform.start();
  const { opsPort } = await platform.execution(
    'one',
    { ...OFTEN, BATUTA_ARCHIVE_URL: pathToFileURL(directory).href },
    true,
  );
  metrics = async () => await (await fetch(`http://127.0.0.1:${opsPort}/metrics`)).text();
  await platform.run();
});

afterAll(async () => {
  await platform?.end();
  await rm(folder, { recursive: true, force: true });
});

const who = (tenantId: string): Principal => ({ tenantId, userId: 'ann', role: 'admin', keyId: 'k' });
let tenants = 0;
const newTenant = (): string => `tenant-${(tenants += 1)}`;

const archives = (tenantId: string): Promise<RetentionPolicyReply> =>
  platform.control.request<RetentionPolicyReply>(operations.retentionPolicies.put.subject, {
    principal: who(tenantId),
    name: 'old',
    body: { older_than_ms: 0, action: 'archive' },
  });

async function finished(tenantId: string, config = 'three', status = 'completed'): Promise<string> {
  const id = executionId();
  expect(await platform.command({ ...startRequest(id, config), principal: who(tenantId) })).toMatchObject({
    accepted: {},
  });
  const view = (): Promise<{ execution?: { status: string } }> =>
    platform.control.request(operations.executions.get.subject, { tenantId, executionId: id });
  await eventually(async () => expect((await view()).execution?.status).toBe(status), PATIENCE);
  return id;
}

async function refusal(tenantId: string, id: string): Promise<Refusal | undefined> {
  const { refused } = await platform.control.request<{ refused?: Refusal }>(operations.executions.get.subject, {
    tenantId,
    executionId: id,
  });
  return refused;
}

/** The name of the file that holds it, once its events are gone from the log. */
async function archived(tenantId: string, id: string): Promise<string> {
  await eventually(async () => expect((await refusal(tenantId, id))?.code).toBe('execution_deleted'), PATIENCE);
  await eventually(async () => {
    const { rows } = await platform.sql.query<{ type: string }>(
      'SELECT type FROM execution.events WHERE execution_id = $1',
      [id],
    );
    expect(rows).toEqual([{ type: 'ExecutionDeleted' }]);
  }, PATIENCE);
  return String(((await refusal(tenantId, id))?.details as { archive?: string } | undefined)?.archive);
}

const exported = (tenantId: string, id: string, fromVersion = 1): Promise<ExportExecutionReply> =>
  platform.control.request(operations.executions.export.subject, { tenantId, executionId: id, fromVersion });

const verified = (tenantId: string, id: string): Promise<VerifyExecutionReply> =>
  platform.control.request(operations.executions.verify.subject, { tenantId, executionId: id });

async function filesOf(tenantId: string): Promise<string[]> {
  const days = await readdir(join(directory, tenantId)).catch(() => []);
  const files = await Promise.all(days.map((day) => readdir(join(directory, tenantId, day))));
  return files.flat();
}

/** What `node tools/check-bundle.mjs` prints, and how it ends. */
async function checked(...words: string[]): Promise<{ out: string; code: number }> {
  try {
    return { out: (await run(process.execPath, [SCRIPT, ...words])).stdout, code: 0 };
  } catch (error) {
    const { stdout, code } = error as { stdout: string; code: number };
    return { out: stdout, code };
  }
}

/** The public half of the key that signs checkpoints. */
async function publicKey(): Promise<string> {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), SEED]);
  const path = join(folder, 'seal.pem');
  await writeFile(
    path,
    createPublicKey({ key: der, format: 'der', type: 'pkcs8' } as never).export({ type: 'spki', format: 'pem' }),
  );
  return path;
}

describe('a policy that archives', () => {
  it('puts executions into a file that can be checked without the platform, and only then deletes them', async () => {
    const tenant = newTenant();
    const ids = [await finished(tenant), await finished(tenant)];
    const before = await Promise.all(ids.map((id) => exported(tenant, id)));
    // So that a signed checkpoint holds both.
    for (const id of ids) {
      await eventually(
        async () => expect((await verified(tenant, id)).integrity?.anchor.status).toBe('signed'),
        PATIENCE,
      );
    }
    expect((await archives(tenant)).policy).toMatchObject({ action: 'archive' });
    const names = new Set<string>();
    for (const [place, id] of ids.entries()) {
      const name = await archived(tenant, id);
      names.add(name);
      expect((await refusal(tenant, id))?.message).toMatch(
        /^the execution was archived and deleted on .* by retention policy old$/,
      );
      expect((await verified(tenant, id)).integrity).toMatchObject({ intact: true, deleted: { archive: name } });
      // It is exported as before, out of the archive.
      expect((await exported(tenant, id)).lines.slice(0, -1)).toEqual(before[place]?.lines.slice(0, -1));
      const { lines } = await exported(tenant, id, 3);
      expect(JSON.parse(lines[0] ?? '')).toMatchObject({ line: 'event', version: 3 });
      expect(await exported('somebody-else', id)).toMatchObject({ refused: { code: 'not_found' } });
    }
    for (const name of names) {
      const { out, code } = await checked(join(directory, name), await publicKey());
      expect(out).toMatch(/^signed at .* with your key$/m);
      expect(out).toMatch(/\d executions, all of them hold/);
      expect(code).toBe(0);
    }
    const found: Difference[] = [];
    await verifyExecutions(platform.database.url, { tenantId: tenant }, (difference) => found.push(difference));
    expect(found).toEqual([]);
  });

  it('keeps executions while the archive takes none, and goes on when it does', async () => {
    const tenant = newTenant();
    const id = await finished(tenant);
    await rename(directory, `${directory}-gone`);
    await archives(tenant);
    // Many looks, each of which fails.
    const failures = async (): Promise<number> =>
      Number((await metrics()).match(/^batuta_archive_failures_total(?:\{[^}]*\})? (\d+)/m)?.[1] ?? 0);
    const already = await failures();
    await eventually(async () => expect(await failures()).toBeGreaterThan(already + 2), PATIENCE);
    expect(await refusal(tenant, id)).toBeUndefined();
    await expect(readdir(directory)).rejects.toThrow('ENOENT');
    await rename(`${directory}-gone`, directory);
    expect(await archived(tenant, id)).toMatch(new RegExp(`^${tenant}/`));
  });

  it('neither archives nor deletes what is not as it was committed, and does not keep the others for it', async () => {
    const tenant = newTenant();
    const [bad, good] = [await finished(tenant), await finished(tenant)];
    await platform.sql.query('UPDATE execution.events SET at = at + 1 WHERE execution_id = $1 AND version = 2', [bad]);
    await archives(tenant);
    await archived(tenant, good);
    expect(await refusal(tenant, bad)).toBeUndefined();
    await platform.sql.query('UPDATE execution.events SET at = at - 1 WHERE execution_id = $1 AND version = 2', [bad]);
    await archived(tenant, bad);
  });

  it('says so when a file of the archive was changed or is gone', async () => {
    const tenant = newTenant();
    const id = await finished(tenant);
    await archives(tenant);
    const path = join(directory, await archived(tenant, id));
    const bytes = await readFile(path);
    const changed = gunzipSync(bytes).toString().replace('"attempt":1', '"attempt":2');
    await writeFile(path, gzipSync(changed));
    expect(await checked(path)).toMatchObject({ code: 1, out: expect.stringContaining('BROKEN') });
    const store = openArchive({ archiveUrl: pathToFileURL(directory).href, archiveS3Region: '' }) as ArchiveStore;
    const name = path.slice(directory.length + 1);
    await expect(archivedExecution(store, name, id)).rejects.toThrow('does not hold');
    expect((await exported(tenant, id)).refused).toMatchObject({ code: 'unavailable' });
    await writeFile(path, bytes.subarray(0, bytes.length - 20));
    expect(await checked(path)).toMatchObject({ code: 1, out: expect.stringContaining('cannot be read to its end') });
    await rm(path);
    await expect(archivedExecution(store, name, id)).rejects.toThrow('has no file');
    await writeFile(path, bytes);
    expect((await exported(tenant, id)).lines.length).toBeGreaterThan(3);
  });

  it('is erased with its tenant, with its files and no others', async () => {
    const [gone, stays] = [newTenant(), `tenant-${tenants}0`];
    for (const tenant of [gone, stays]) {
      const id = await finished(tenant);
      await archives(tenant);
      await archived(tenant, id);
      expect(await filesOf(tenant)).toHaveLength(1);
    }
    const { url } = platform.database;
    const settings = { archiveUrl: pathToFileURL(directory).href, archiveS3Region: '' };
    await expect(eraseTenant(url, gone, true)).rejects.toThrow('BATUTA_ARCHIVE_URL');
    expect(await eraseTenant(url, gone, false, undefined, settings)).toMatchObject({ archives: 1, erased: false });
    expect(await filesOf(gone)).toHaveLength(1);
    expect(await eraseTenant(url, gone, true, undefined, settings)).toMatchObject({ archives: 1, erased: true });
    expect(await filesOf(gone)).toEqual([]);
    expect(await filesOf(stays)).toHaveLength(1);
  });
});

async function viewOf(tenantId: string, id: string): Promise<ExecutionView> {
  const request = { tenantId, executionId: id };
  const { execution } = await platform.control.request<GetExecutionReply>(operations.executions.get.subject, request);
  if (execution === undefined) throw new Error(`execution ${id} has no view`);
  return execution;
}

/** A row of which only the test's own fields matter. */
const ROW: Omit<ExecutionRow, 'id' | 'partition' | 'traceId' | 'tenantId'> = {
  configId: 'three',
  configName: 'three',
  configVersion: 1,
  userId: 'ann',
  sessionId: null,
  createdBy: 'ann',
  callbackUrl: null,
  input: {},
  metadata: null,
  createdAt: 1,
  progress: {
    status: 'deleted',
    version: 1,
    wakeAt: null,
    output: undefined,
    startedAt: 1,
    pausedAt: null,
    completedAt: 1,
    totalLatencyMs: 0,
    estimatedCost: 0,
    tokenCount: 0,
  },
};

/** A restore, as a gateway asks for it. */
const restore = (tenant: string, id: string, more: object = {}): Promise<CommandReply> =>
  platform.command({ commandId: randomUUID(), executionId: id, principal: who(tenant), restore: {}, ...more });

const rowsOf = async (id: string): Promise<{ events: string[]; rows: number; links: number }> => {
  const { rows } = await platform.sql.query<{ type: string }>(
    'SELECT type FROM execution.events WHERE execution_id = $1 ORDER BY version',
    [id],
  );
  const counted = await platform.sql.query<{ rows: number; links: number }>(
    `SELECT (SELECT count(*) FROM execution.orchestration_executions WHERE id = $1)::int AS rows,
      (SELECT count(*) FROM execution.removed_links WHERE last_of = $1)::int AS links`,
    [id],
  );
  return { events: rows.map(({ type }) => type), rows: counted.rows[0]?.rows ?? 0, links: counted.rows[0]?.links ?? 0 };
};

const listed = async (tenantId: string): Promise<ListExecutionsReply['executions']> =>
  (
    await platform.control.request<ListExecutionsReply>(operations.executions.list.subject, {
      tenantId,
      status: [],
      limit: 50,
    })
  ).executions;

describe('an archived execution that is restored', () => {
  it('is read, listed, verified and exported as before, and neither runs again nor is put away at once', async () => {
    const tenant = newTenant();
    const id = await finished(tenant);
    await eventually(
      async () => expect((await verified(tenant, id)).integrity?.anchor.status).toBe('signed'),
      PATIENCE,
    );
    const before = await exported(tenant, id);
    const execution = await viewOf(tenant, id);
    await archives(tenant);
    const name = await archived(tenant, id);
    expect(await listed(tenant)).toEqual([]);

    expect(await restore(tenant, id, { restore: { reason: 'for the auditors' } })).toMatchObject({
      accepted: { status: 'completed' },
    });
    const restored = { by: 'ann', reason: 'for the auditors', archive: name };
    const after = await viewOf(tenant, id);
    const { version } = after;
    expect({ ...after, version: 0, restored: undefined }).toEqual({ ...execution, version: 0, restored: undefined });
    expect(version).toBe(execution.version + 2);
    expect(after.restored).toMatchObject(restored);
    expect(await listed(tenant)).toMatchObject([{ id, status: 'completed', restoredAt: expect.any(Number) }]);
    expect((await verified(tenant, id)).integrity).toMatchObject({ intact: true, problems: [], events: version });
    const bundle = await exported(tenant, id);
    expect(bundle.lines.slice(0, version - 1)).toEqual(before.lines.slice(0, -1));
    await writeFile(join(folder, 'restored.jsonl'), `${bundle.lines.join('\n')}\n`);
    const { out, code } = await checked(join(folder, 'restored.jsonl'), await publicKey());
    expect(out).toMatch(/^signed at .* with your key$/m);
    expect(code).toBe(0);
    await eventually(async () => {
      const { rows } = await platform.sql.query(
        'SELECT FROM execution.orchestration_step_runs WHERE execution_id = $1',
        [id],
      );
      expect(rows).toHaveLength(execution.steps.length);
    }, PATIENCE);
    const found: Difference[] = [];
    await verifyExecutions(platform.database.url, { tenantId: tenant }, (difference) => found.push(difference));
    expect(found).toEqual([]);

    // Again changes nothing, and it does not run again.
    expect(await restore(tenant, id)).toMatchObject({ accepted: { repeated: true, version } });
    for (const command of [{ retry: {} }, { compensate: {} }, { cancel: {} }]) {
      const { rejected } = await restore(tenant, id, { restore: undefined, ...command });
      expect(rejected).toMatchObject({ code: 'execution_restored' });
    }
    // The policy that put it away still applies to what was not restored.
    const other = await finished(tenant);
    await archived(tenant, other);
    expect(await listed(tenant)).toMatchObject([{ id }]);
    // It can be deleted for good, and then no archive is named.
    expect(await restore(tenant, id, { restore: undefined, deleteExecution: {} })).toMatchObject({ accepted: {} });
    await eventually(async () => expect((await rowsOf(id)).events).toEqual(['ExecutionDeleted']), PATIENCE);
    expect((await verified(tenant, id)).integrity).toMatchObject({ intact: true });
    expect((await restore(tenant, id)).rejected).toMatchObject({ code: 'execution_deleted' });
  });

  it('shows why it failed, also when it is archived and restored twice', async () => {
    const tenant = newTenant();
    const id = await finished(tenant, 'retried', 'failed');
    await archives(tenant);
    for (const round of [1, 2]) {
      await archived(tenant, id);
      expect(await restore(tenant, id)).toMatchObject({ accepted: { status: 'failed' } });
      const [shown] = await listed(tenant);
      expect(shown).toMatchObject({ id, status: 'failed', failure: { code: expect.any(String) } });
      if (round === 1) {
        // As a policy does once the time of restored ones is over.
        const archive = `${tenant}/2030-01-31/${randomUUID()}.jsonl.gz`;
        await mkdir(join(directory, tenant, '2030-01-31'), { recursive: true });
        await writeFile(join(directory, archive), gzipSync((await exported(tenant, id)).lines.join('\n')));
        const again = { restore: undefined, deleteExecution: { policy: 'old', archive } };
        expect(await restore(tenant, id, again)).toMatchObject({ accepted: {} });
      }
    }
  });

  it('is refused with the file and the line when the archive does not hold what was deleted', async () => {
    const [tenant, other] = [newTenant(), newTenant()];
    const [id, running] = [await finished(tenant), await finished(other)];
    expect((await restore(other, running)).rejected).toMatchObject({ code: 'not_archived' });
    await archives(tenant);
    const name = await archived(tenant, id);
    const path = join(directory, name);
    const bytes = await readFile(path);
    const text = gunzipSync(bytes).toString();
    const refused = async (code: string, message: RegExp): Promise<void> => {
      const { rejected } = await restore(tenant, id);
      expect(rejected).toMatchObject({ code });
      expect(rejected?.message).toMatch(message);
      expect((await rowsOf(id)).events).toEqual(['ExecutionDeleted']);
    };
    // One byte of the text, then one of the compressed bytes.
    await writeFile(path, gzipSync(text.replace('"attempt":1', '"attempt":2')));
    await refused('archive_broken', /\.jsonl\.gz does not hold .* as it was: lines? \d+/);
    const flipped = Buffer.from(bytes);
    flipped[Math.floor(bytes.length / 2)] = (flipped[Math.floor(bytes.length / 2)] ?? 0) ^ 1;
    await writeFile(path, flipped);
    await refused('archive_broken', /line/);
    await writeFile(path, bytes.subarray(0, 40));
    await refused('archive_broken', /line 1 cannot be read/);
    await writeFile(path, gzipSync(text.replaceAll(tenant, other)));
    await refused('archive_broken', /line/);
    await rm(path);
    await refused('archive_broken', /the archive has no file/);
    await writeFile(path, bytes);
    expect((await restore(other, id)).rejected).toMatchObject({ code: 'not_found' });
    expect((await restore(tenant, executionId())).rejected).toMatchObject({ code: 'not_found' });
    expect(await restore(tenant, id)).toMatchObject({ accepted: { status: 'completed' } });
  });

  it('is the same as before after a crash between its events and the word that they are back', async () => {
    const tenant = newTenant();
    const id = await finished(tenant);
    await archives(tenant);
    const name = await archived(tenant, id);
    const links = await rowsOf(id);
    expect(links).toMatchObject({ rows: 0, links: 1 });
    // What an owner writes before it dies.
    const store = new PostgresExecutionStore({ databaseUrl: platform.database.url });
    const bytes = await readFile(join(directory, name));
    const history = await archivedExecution({ get: () => Promise.resolve(bytes), where: 'test' }, name, id);
    const [start] = history.events;
    const row = { id, partition: start?.partition ?? 0, traceId: randomUUID(), tenantId: tenant };
    const progress = { status: 'deleted', version: history.events.length + 1, wakeAt: null };
    const outcome = await store.restoreHistory({
      executionId: id,
      events: history.events,
      row: { ...ROW, ...row, progress: { ...ROW.progress, ...progress } },
    });
    expect(outcome).toBe('restored');
    await store.close();
    expect((await rowsOf(id)).events).toHaveLength(history.events.length + 1);
    expect((await refusal(tenant, id))?.code).toBe('execution_deleted');
    // The owner removes them again, as after the deletion.
    await eventually(async () => expect(await rowsOf(id)).toEqual(links), { timeoutMs: 120_000 });
    expect((await verified(tenant, id)).integrity).toMatchObject({ intact: true });
    expect((await restore(tenant, id)).accepted).toMatchObject({ status: 'completed' });
    // Many at once bring it back once.
    expect((await rowsOf(id)).events.filter((type) => type === 'ExecutionRestored')).toHaveLength(1);
  });
});

it('cannot be asked for where there is no archive', async () => {
  const other = await Platform.start();
  try {
    await other.execution('alone');
    const { refused } = await other.control.request<RetentionPolicyReply>(operations.retentionPolicies.put.subject, {
      principal: who('default'),
      name: 'old',
      body: { keep_newest: 1, action: 'archive' },
    });
    expect(refused).toMatchObject({ code: 'validation_failed', violations: [{ path: '/action' }] });
    expect(refused?.violations?.[0]?.message).toContain('BATUTA_ARCHIVE_URL');
  } finally {
    await other.end();
  }
});

/** A server that speaks like S3. It knows keys, but not signatures of version 4: those are checked in `s3-signature.unit.spec.ts`. */
async function startS3(buckets: readonly string[]): Promise<{ endpoint: string; process: ChildProcess }> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  const configured = buckets.flatMap((bucket) => ['--configure-bucket', bucket]);
  const args = ['-d', join(folder, 's3'), '-a', '127.0.0.1', '-p', String(port), '-s', ...configured];
  await mkdir(join(folder, 's3'), { recursive: true });
  const server = spawn(process.execPath, [S3RVER, ...args], { stdio: 'ignore' });
  const endpoint = `http://127.0.0.1:${port}`;
  await eventually(async () => expect((await fetch(endpoint)).status).toBeGreaterThan(0), PATIENCE);
  return { endpoint, process: server };
}

describe('an archive in a bucket', () => {
  let s3: Awaited<ReturnType<typeof startS3>>;
  const settings = (more: Partial<ArchiveSettings> = {}): ArchiveSettings => ({
    archiveUrl: 's3://batuta/some/where',
    archiveS3Endpoint: s3.endpoint,
    archiveS3Region: 'us-east-1',
    archiveS3AccessKey: 'S3RVER',
    archiveS3SecretKey: new Secret('S3RVER'),
    ...more,
  });
  const opened = (more: Partial<ArchiveSettings> = {}): ArchiveStore => {
    const store = openArchive(settings(more));
    if (store === undefined) throw new Error('there is no archive');
    return store;
  };

  beforeAll(async () => {
    s3 = await startS3(['batuta']);
  });

  afterAll(async () => {
    s3?.process.kill();
    if (s3?.process.exitCode === null) await once(s3.process, 'exit');
  });

  it('gives back what was put, lists the files of one tenant alone, and removes them', async () => {
    const store = opened();
    const name = (tenant: string): string => `${tenant}/2030-01-31/${randomUUID()}.jsonl.gz`;
    const mine = [name('acme'), name('acme'), name('acme-2')].sort();
    for (const each of mine) await store.put(each, Buffer.from(each));
    expect((await store.get(mine[0] ?? ''))?.toString()).toBe(mine[0]);
    const listed: string[] = [];
    for await (const each of store.list('acme')) listed.push(each);
    expect(listed.sort()).toEqual(mine.filter((each) => each.startsWith('acme/')));
    for (const each of mine) await store.remove(each);
    expect(await store.get(mine[0] ?? '')).toBeUndefined();
    await store.remove(mine[0] ?? '');
    for await (const each of store.list('acme')) throw new Error(`${each} is still there`);
    await expect(store.put('acme/../../etc/passwd', Buffer.from(''))).rejects.toThrow('no name of an archive file');
  });

  it('says what is wrong with keys, bucket and server, and never tells the secret key', async () => {
    const name = `acme/2030-01-31/${randomUUID()}.jsonl.gz`;
    const wrong = opened({ archiveS3AccessKey: 'nobody', archiveS3SecretKey: new Secret('not-to-be-told') });
    const said = await wrong.put(name, Buffer.from('x')).catch((error: Error) => error.message);
    expect(said).toMatch(/answered PUT with 403: .*InvalidAccessKeyId/s);
    expect(said).not.toContain('not-to-be-told');
    const nowhere = opened({ archiveUrl: 's3://none-here' });
    await expect(nowhere.put(name, Buffer.from('x'))).rejects.toThrow('NoSuchBucket');
    await expect(nowhere.get(name)).rejects.toThrow('there is no bucket');
    await expect(opened({ archiveS3Endpoint: 'http://127.0.0.1:1' }).get(name)).rejects.toThrow('does not answer');
  });

  it('holds what policies archive', async () => {
    const bucket = await Platform.start();
    const first = platform;
    try {
      platform = bucket;
      await bucket.execution('one', {
        ...OFTEN,
        BATUTA_ARCHIVE_URL: 's3://batuta/some/where',
        BATUTA_ARCHIVE_S3_ENDPOINT: s3.endpoint,
        BATUTA_ARCHIVE_S3_ACCESS_KEY: 'S3RVER',
        BATUTA_ARCHIVE_S3_SECRET_KEY: 'S3RVER',
      });
      await bucket.run();
      const tenant = newTenant();
      const id = await finished(tenant);
      await archives(tenant);
      const name = await archived(tenant, id);
      const { lines, problems } = await archivedExecution(opened(), name, id);
      expect(problems).toEqual([]);
      expect((await exported(tenant, id)).lines).toEqual(lines);
    } finally {
      platform = first;
      await bucket.end();
    }
  });
});
