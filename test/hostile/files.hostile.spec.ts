import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { expectStatus } from '../support/api.js';
import type { Api } from '../support/api.js';
import { LocalPlatform } from '../support/local-platform.js';

const CONFIGS = '/api/v1/orchestrations/configs';
const EXECUTE = '/api/v1/orchestrations/execute';

interface Ended {
  readonly status: string;
  readonly output?: unknown;
  readonly failure?: { readonly code: string };
}

/** Every secret or log in the platform's data directory, relative to it. */
const KEPT = [
  'admin.key',
  'run.json',
  'notifications.key',
  'seal.key',
  'secrets.key',
  'postgres/password',
  'postgres/server.json',
  'nats/keys.json',
  'nats/creds/gateway.creds',
  'logs/postgres.log',
  'logs/nats.log',
];

describe("a tenant's agents and the platform's files", () => {
  let platform: LocalPlatform;
  let dir: string;
  let operator: Api;
  const analyze = async (file: string): Promise<Ended> =>
    expectStatus(await operator.post<Ended>(`${EXECUTE}/reader?wait=30s`, { input: { file } }), 200);

  beforeAll(async () => {
    platform = await LocalPlatform.start();
    ({ dir } = platform);
    operator = await platform.user('mallory', 'operator');
    expectStatus(
      await operator.post(CONFIGS, {
        name: 'reader',
        strategy: 'sequential',
        steps: [{ id: 'read', name: 'Read', agent: 'log_analyzer' }],
      }),
      201,
    );
    mkdirSync(join(dir, 'files', 'mallory'), { recursive: true });
  }, 300_000);

  afterAll(async () => {
    await platform?.stop();
  }, 300_000);

  it('can read its own file', async () => {
    writeFileSync(join(dir, 'files', 'mallory', 'own.log'), '2026-01-31T12:00:00Z ERROR boom\n');
    expect(await analyze('own.log')).toMatchObject({ status: 'completed', output: { source: 'own.log' } });
  });

  it.each(KEPT)('never reads %s, however it is named', async (kept) => {
    const real = join(dir, kept);
    // The test would prove nothing if the secret were elsewhere.
    expect([kept, existsSync(real)]).toEqual([kept, true]);
    const link = join(dir, 'files', 'mallory', kept.replaceAll('/', '-'));
    symlinkSync(real, link);
    for (const name of [kept, real, `../../${kept}`, `./../..//${kept}`, link, kept.replaceAll('/', '-')]) {
      const { status, failure, output } = await analyze(name);
      expect([name, status, output]).toEqual([name, 'failed', null]);
      expect(['file_refused', 'file_missing']).toContain(failure?.code);
    }
  });

  it("never reads another tenant's file", async () => {
    writeFileSync(join(dir, 'files', 'default', 'other.log'), 'a secret line\n');
    for (const name of ['other.log', '../default/other.log', join(dir, 'files', 'default', 'other.log')]) {
      expect(await analyze(name)).toMatchObject({ status: 'failed' });
    }
  });

  it("writes no error into PostgreSQL's log for what users do wrong", async () => {
    const config = (name: string) => ({
      name,
      strategy: 'sequential',
      steps: [{ id: 'only', name: 'Only', agent: 'echo' }],
    });
    const many = await Promise.all(Array.from({ length: 8 }, () => operator.post(CONFIGS, config('taken'))));
    expect(many.map(({ status }) => status).toSorted()).toEqual([201, ...Array<number>(7).fill(409)]);
    const other = expectStatus(await operator.post<{ id: string }>(CONFIGS, config('other')), 201);
    const renames = await Promise.all(
      Array.from({ length: 4 }, () => operator.call('PUT', `${CONFIGS}/${other.id}`, config('taken'))),
    );
    expect(renames.map(({ status }) => status)).toEqual([409, 409, 409, 409]);
    expectStatus(await operator.call('DELETE', `${CONFIGS}/${other.id}`), 200);
    expectStatus(await operator.post(CONFIGS, config('other')), 201);
    expectStatus(await operator.post(`${CONFIGS}/${other.id}/restore`, {}), 409);
    const key = { 'idempotency-key': 'once' };
    const starts = await Promise.all(
      Array.from({ length: 8 }, () => operator.post(`${EXECUTE}/taken`, { input: {} }, key)),
    );
    expect(new Set(starts.map(({ status }) => status))).toEqual(new Set([202]));
    const log = readFileSync(join(dir, 'logs', 'postgres.log'), 'utf8');
    expect(log.split('\n').filter((line) => /\b(?:ERROR|FATAL|PANIC):/.test(line))).toEqual([]);
  });

  it("writes no user's data into PostgreSQL's log, not even with an error", async () => {
    const secret = 'a-value-that-is-nobodys-business';
    await operator.post(CONFIGS, {
      name: secret,
      strategy: 'sequential',
      steps: [{ id: 'only', name: secret, agent: 'echo' }],
    });
    expectStatus(await operator.post(`${EXECUTE}/${secret}?wait=30s`, { input: { secret } }), 200);
    const { database_url: connectionString } = JSON.parse(readFileSync(join(dir, 'run.json'), 'utf8')) as {
      database_url: string;
    };
    const client = new pg.Client({ connectionString });
    await client.connect();
    try {
      await client.query('CREATE TEMPORARY TABLE taken (name text PRIMARY KEY)');
      const insert = (): Promise<unknown> => client.query('INSERT INTO taken VALUES ($1)', [secret]);
      await insert();
      await expect(insert()).rejects.toThrow('duplicate key');
    } finally {
      await client.end();
    }
    const log = readFileSync(join(dir, 'logs', 'postgres.log'), 'utf8');
    expect(log).toContain('database system is ready');
    expect(log).toContain('duplicate key');
    expect(log).not.toContain(secret);
  });
});
