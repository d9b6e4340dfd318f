import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { databaseUrlOf, Secret } from '@batuta/settings';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import pg from 'pg';
import { expectStatus } from '../support/api.js';
import type { Api } from '../support/api.js';
import { Cluster } from '../support/cluster.js';
import { dumpDatabase, recreateDatabase, restoreDatabase, runCommand } from '../support/database-copy.js';
import type { DatabaseCopy } from '../support/database-copy.js';
import { checkLog } from '../support/event-log.js';
import { allHaveStatus, startSurely } from '../support/running.js';
import type { DeployableService } from '../support/service-process.js';

const step = (id: string, agent: string, more: object = {}): object => ({
  id,
  name: id,
  agent,
  timeout_ms: 30_000,
  retry: { max_attempts: 2, backoff_ms: 10 },
  ...more,
});

const CONFIGS = [
  {
    name: 'quick',
    strategy: 'parallel',
    steps: [step('left', 'echo'), step('right', 'echo'), step('last', 'echo', { dependencies: ['left', 'right'] })],
  },
  { name: 'broken', strategy: 'sequential', steps: [step('fails', 'fail', { input: { message: 'on purpose' } })] },
  {
    name: 'slow',
    strategy: 'sequential',
    steps: [step('before', 'echo'), step('waits', 'delay', { input: { ms: 4_000 } }), step('after', 'echo')],
  },
];
const READ_MODELS = ['execution.orchestration_executions', 'execution.orchestration_step_runs'];
const SERVICES: readonly DeployableService[] = ['gateway', 'notifications', 'step-runner', 'execution', 'config'];

/** Sorted rows of a table. A table has no order, and an update may move a row. */
const sorted = (copy: DatabaseCopy, table: string): string[] => (copy.get(table) ?? '').split('\n').toSorted();

/** The rows of these executions. */
function rowsOf(copy: DatabaseCopy, table: string, ids: readonly string[]): string[] {
  return sorted(copy, table).filter((row) => ids.some((id) => row.includes(id)));
}

describe('a backup', () => {
  let cluster: Cluster;
  let api: Api;

  beforeAll(async () => {
    cluster = await Cluster.start({ instances: { notifications: 1 } });
    api = cluster.api();
    for (const config of CONFIGS) {
      expectStatus(await api.post('/api/v1/orchestrations/configs', config), 201);
    }
  }, 300_000);

  afterAll(async () => {
    await cluster?.stop();
  }, 300_000);

  const get = async (path: string): Promise<unknown> =>
    expectStatus(await api.get(`/api/v1/orchestrations/executions/${path}`), 200);

  it('restores its data after everything was dropped, and its open executions continue', async () => {
    const { databaseUrl } = cluster.stack;
    const quick = await Promise.all([1, 2, 3, 4, 5].map((n) => startSurely(api, 'quick', `quick-${n}`, { n })));
    const broken = await startSurely(api, 'broken', 'broken', {});
    await allHaveStatus(api, quick, 'completed');
    await allHaveStatus(api, [broken], 'failed');
    const ended = [...quick, broken];
    const open = await Promise.all([1, 2].map((n) => startSurely(api, 'slow', `slow-${n}`, { n })));
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    try {
      await eventually(
        async () => {
          const { rows } = await client.query<{ steps: number; waiting: number; behind: number }>(
            `SELECT (SELECT count(*)::int FROM execution.orchestration_step_runs
                      WHERE execution_id = ANY($1) AND status IN ('completed', 'failed')) AS steps,
                    (SELECT count(*)::int FROM execution.events
                      WHERE execution_id = ANY($2) AND type = 'StepScheduled' AND data->>'stepId' = 'waits') AS waiting,
                    (SELECT count(*)::int FROM execution.partitions p
                      LEFT JOIN execution.projection_cursors c ON c.partition = p.id AND c.projection = 'step_runs'
                      WHERE coalesce(c.position, 0) < p.last_position) AS behind`,
            [ended, open],
          );
          expect(rows).toEqual([{ steps: 16, waiting: 2, behind: 0 }]);
        },
        { timeoutMs: 60_000, describe: 'step runs are projected and the slow steps run' },
      );
    } finally {
      await client.end();
    }
    const shown = await Promise.all(ended.map((id) => get(id)));
    const told = await Promise.all(ended.map((id) => get(`${id}/events`)));

    const dump = await dumpDatabase(databaseUrl);
    const late = await startSurely(api, 'quick', 'after-the-dump', {});
    await allHaveStatus(api, [late], 'completed');

    // As in docs/operations.md: everything stops, the database is recreated and filled, and the queue is dropped.
    for (const service of SERVICES) expect(await cluster.process(service).end('SIGTERM')).toBe(0);
    await recreateDatabase(databaseUrl);
    const passwords = ['owner', 'config', 'execution', 'notifications'].map((role) => [
      `BATUTA_DATABASE_${role.toUpperCase()}_PASSWORD`,
      readFileSync(join(cluster.dir, 'postgres', 'passwords', role), 'utf8').trim(),
    ]);
    await runCommand('services/config/dist/prepare-database.js', '', {
      DATABASE_ADMIN_URL: databaseUrl,
      ...(Object.fromEntries(passwords) as Record<string, string>),
    });
    for (const service of ['config', 'execution', 'notifications']) {
      await runCommand(
        `services/${service}/dist/migrate.js`,
        cluster.stack.databaseEnvironment['DATABASE_OWNER_URL'] ?? '',
      );
    }
    await restoreDatabase(databaseUrl, new Map([...dump].filter(([table]) => !READ_MODELS.includes(table))));
    await cluster.nats.kill();
    await cluster.nats.deleteStore();
    await cluster.nats.start();
    const asExecution = databaseUrlOf(
      {
        databaseUrl: new Secret(cluster.stack.databaseEnvironment['DATABASE_URL'] ?? ''),
        databasePasswordFile: cluster.stack.databaseEnvironment['DATABASE_PASSWORD_FILE'],
      },
      'execution',
    ).reveal();
    expect(await runCommand('services/execution/dist/rebuild.js', asExecution)).toContain('"executions":8');

    const restored = await dumpDatabase(databaseUrl);
    expect([...restored.keys()]).toEqual([...dump.keys()]);
    for (const table of [...dump.keys()].filter((name) => !READ_MODELS.includes(name))) {
      expect({ table, rows: sorted(restored, table) }).toEqual({ table, rows: sorted(dump, table) });
    }
    for (const table of READ_MODELS) {
      expect(rowsOf(dump, table, ended).length).toBeGreaterThan(0);
      expect(rowsOf(restored, table, ended)).toEqual(rowsOf(dump, table, ended));
    }

    for (const service of SERVICES.toReversed()) cluster.process(service).spawn();
    for (const service of SERVICES) await cluster.process(service).ready();
    expect(await Promise.all(ended.map((id) => get(id)))).toEqual(shown);
    expect(await Promise.all(ended.map((id) => get(`${id}/events`)))).toEqual(told);
    expectStatus(await api.get(`/api/v1/orchestrations/executions/${late}`), 404);
    await allHaveStatus(api, open, 'completed');
    const facts = await checkLog(databaseUrl, [...ended, ...open]);
    expect(facts.ended).toEqual({ ExecutionCompleted: 7, ExecutionFailed: 1 });
    const again = await startSurely(api, 'quick', 'after-the-restore', {});
    await allHaveStatus(api, [again], 'completed');
  }, 300_000);
});
