import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import { expectStatus } from '../support/api.js';
import type { Answer, Api } from '../support/api.js';
import { Cluster } from '../support/cluster.js';
import { allHaveStatus, startSurely } from '../support/running.js';

const CONFIG = {
  name: 'kept',
  strategy: 'sequential',
  steps: [
    { id: 'first', name: 'First', agent: 'echo' },
    { id: 'second', name: 'Second', agent: 'echo', dependencies: ['first'] },
  ],
};

interface View {
  readonly status: string;
  readonly version: number;
  readonly steps: readonly object[];
  readonly restored?: { readonly by: string; readonly reason: string; readonly archive: string };
}

let cluster: Cluster;
let api: Api;
let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'batuta-archive-e2e-'));
  await mkdir(join(directory, 'kept'));
  cluster = await Cluster.start({
    instances: { notifications: 0 },
    env: {
      BATUTA_ARCHIVE_URL: pathToFileURL(join(directory, 'kept')).href,
      BATUTA_EXECUTION_RETENTION_EVERY: '200ms',
    },
  });
  api = cluster.api();
}, 300_000);

afterAll(async () => {
  await cluster?.stop();
  rmSync(directory, { recursive: true, force: true });
}, 300_000);

const one = <T = Record<string, unknown>>(id: string, more = ''): Promise<Answer<T>> =>
  api.get<T>(`/api/v1/orchestrations/executions/${id}${more}`);

async function bundle(id: string): Promise<string[]> {
  const path = `/api/v1/orchestrations/executions/${id}/export`;
  const response = await api.client.send({ method: 'GET', path, body: undefined, headers: {} });
  expect(response.status).toBe(200);
  return (await response.text()).trim().split('\n');
}

it('an execution is archived by a policy, read from the archive, restored, verified and exported as before', async () => {
  expectStatus(await api.post('/api/v1/orchestrations/configs', CONFIG), 201);
  const id = await startSurely(api, 'kept', 'kept-1', { text: 'hello' });
  await allHaveStatus(api, [id], 'completed');
  const before = expectStatus(await one<View>(id), 200);
  const exported = await bundle(id);
  expect(expectStatus(await api.post(`/api/v1/orchestrations/executions/${id}/restore`, {}), 409)).toMatchObject({
    code: 'not_archived',
  });

  const policy = { older_than_ms: 0, action: 'archive' };
  expectStatus(await api.call('PUT', '/api/v1/retention-policies/old', policy), 201);
  await eventually(async () => expect((await one(id)).status).toBe(410), { timeoutMs: 60_000 });
  const gone = expectStatus(await one<{ details: { archive: string } }>(id), 410);
  expect(gone.details.archive).toMatch(/^default\//);
  expect(readdirSync(join(directory, 'kept', 'default'))).toHaveLength(1);
  // Out of the archive.
  expect((await bundle(id)).slice(0, -1)).toEqual(exported.slice(0, -1));
  expect(expectStatus(await api.get('/api/v1/orchestrations/executions'), 200)).toMatchObject({ executions: [] });

  // The typed client restores it, and many at once do so once.
  const reason = 'asked for by the auditors';
  const answers = await Promise.all([1, 2, 3].map(() => api.client.executions.restore(id, { reason })));
  for (const { status } of answers) expect(status).toBe('completed');
  const after = expectStatus(await one<View>(id), 200);
  const { restored, ...rest } = after;
  expect(rest).toEqual({ ...before, version: before.version + 2 });
  expect(restored).toMatchObject({ reason, archive: gone.details.archive });
  const listed = expectStatus(await api.get<{ executions: object[] }>('/api/v1/orchestrations/executions'), 200);
  expect(listed.executions).toMatchObject([{ id, status: 'completed', restored_at: expect.any(String) }]);
  expect(expectStatus(await one(id, '/verify'), 200)).toMatchObject({ intact: true, events: after.version });
  const lines = await bundle(id);
  expect(lines.slice(0, exported.length - 1)).toEqual(exported.slice(0, -1));
  const events = lines.flatMap((line) => {
    const { type } = JSON.parse(line) as { type?: string };
    return type === undefined ? [] : [type];
  });
  expect(events.slice(-2)).toEqual(['ExecutionDeleted', 'ExecutionRestored']);

  // It does not run again, and a fork does.
  const retried = await api.post(`/api/v1/orchestrations/executions/${id}/cancel`, {});
  expect(expectStatus(retried, 409)).toMatchObject({ code: 'execution_restored' });
  expect(expectStatus(await one<View>(id), 200).version).toBe(after.version);
}, 300_000);
