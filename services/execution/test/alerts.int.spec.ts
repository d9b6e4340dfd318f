import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually, freePort, NatsProxy } from '@batuta/testing';
import { executionId, startRequest } from './fixtures.js';
import { CuttableProxy, Platform } from './platform.js';

const RULES = fileURLToPath(new URL('../../../deploy/prometheus/rules.yml', import.meta.url));
const TWO_MINUTES = 120_000;
// Without Prometheus the test is counted as skipped.
const test = spawnSync('prometheus', ['--version']).status === 0 ? it : it.skip;

let platform: Platform;
let nats: NatsProxy;
let database: CuttableProxy;
let prometheus: ChildProcess | undefined;
let directory: string;
let url: string;

/** A real Prometheus with the repository's own rules, which reads one engine every second. */
async function startPrometheus(target: number): Promise<void> {
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [RULES],
    scrape_configs: [
      {
        job_name: 'batuta',
        static_configs: [{ targets: [`127.0.0.1:${target}`], labels: { service: 'execution' } }],
      },
    ],
  };
  writeFileSync(join(directory, 'prometheus.yml'), JSON.stringify(config));
  prometheus = spawn(
    'prometheus',
    [
      `--config.file=${join(directory, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: 'ignore' },
  );
  await eventually(async () => (await fetch(`${url}/-/ready`)).status === 200, { timeoutMs: 60_000 });
}

async function firing(): Promise<Set<string>> {
  const { data } = (await (await fetch(`${url}/api/v1/alerts`)).json()) as {
    data: { alerts: { labels: { alertname: string }; state: string }[] };
  };
  return new Set(data.alerts.filter(({ state }) => state === 'firing').map(({ labels }) => labels.alertname));
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'batuta-prometheus-'));
  platform = await Platform.start();
  nats = await NatsProxy.start(platform.nats.url);
  database = await CuttableProxy.start(platform.database.url);
});

afterAll(async () => {
  if (prometheus !== undefined && prometheus.exitCode === null) {
    prometheus.kill('SIGTERM');
    await once(prometheus, 'exit');
  }
  await platform?.end();
  await nats?.close();
  await database?.close();
  rmSync(directory, { recursive: true, force: true });
});

test('PostgreSQL and NATS that are away are told within two minutes, partitions that move are not, and a pool nobody serves is', async () => {
  const watched = { NATS_URL: nats.url, DATABASE_URL: database.url };
  const engine = await platform.execution('watched', watched, true);
  await startPrometheus(engine.opsPort ?? 0);
  const seen = new Set<string>();
  const look = async (): Promise<Set<string>> => {
    const now = await firing();
    for (const alert of now) seen.add(alert);
    return now;
  };
  await eventually(async () => {
    const { data } = (await (await fetch(`${url}/api/v1/query?query=batuta_ready`)).json()) as {
      data: { result: unknown[] };
    };
    expect(data.result.length).toBeGreaterThan(2);
  });

  // The task of an agent whose pool has no worker lies in the queue from now on.
  platform.registry.set('lonely', { pool: 'nobody-serves-it' });
  await platform.command(startRequest(executionId(), 'lonely'));
  // Partitions move between two engines.
  for (let move = 0; move < 3; move++) {
    const other = await platform.execution('other');
    await eventually(() => expect(other.ownedPartitions()).toHaveLength(4));
    await look();
    await platform.stop(other);
    await eventually(() => expect(engine.ownedPartitions()).toHaveLength(8));
    await look();
  }

  database.refuse = true;
  const withoutDatabase = performance.now();
  await eventually(async () => expect(await look()).toContain('BatutaPostgresDown'), {
    timeoutMs: TWO_MINUTES,
    intervalMs: 1_000,
  });
  expect(performance.now() - withoutDatabase).toBeLessThan(TWO_MINUTES);
  database.refuse = false;
  await eventually(async () => expect(await look()).not.toContain('BatutaPostgresDown'), {
    timeoutMs: TWO_MINUTES,
    intervalMs: 1_000,
  });
  expect(seen).not.toContain('BatutaPartitionsWithoutOwner');
  expect(seen).not.toContain('BatutaNatsDown');

  nats.silence('execution watched');
  await eventually(async () => expect(await look()).toContain('BatutaNatsDown'), {
    timeoutMs: TWO_MINUTES,
    intervalMs: 1_000,
  });
  // Nobody owns what it has given up.
  await eventually(async () => expect(await look()).toContain('BatutaPartitionsWithoutOwner'), {
    timeoutMs: TWO_MINUTES,
    intervalMs: 1_000,
  });
  nats.heal('execution watched');
  await eventually(
    async () => {
      const now = await look();
      expect(now).not.toContain('BatutaNatsDown');
      expect(now).not.toContain('BatutaPartitionsWithoutOwner');
      expect(now).toContain('BatutaPoolUnserved');
    },
    { timeoutMs: 240_000, intervalMs: 1_000 },
  );
}, 900_000);
