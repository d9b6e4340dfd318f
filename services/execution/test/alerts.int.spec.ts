import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually, freePort, NatsProxy } from '@batuta/testing';
import { executionId, startRequest } from './fixtures.js';
import { CuttableProxy, Platform } from './platform.js';

const RULES = fileURLToPath(new URL('../../../deploy/prometheus/rules.yml', import.meta.url));
const TWO_MINUTES = 120_000;
// The rules are the repository's own, except that the times of their conditions are this much shorter.
const HASTE = 10;
// Without Prometheus the test counts as skipped.
const test = spawnSync('prometheus', ['--version']).status === 0 ? it : it.skip;

let platform: Platform;
let nats: NatsProxy;
let database: CuttableProxy;
let prometheus: ChildProcess | undefined;
let directory: string;
let url: string;

/** How long the condition of each alert must hold, in milliseconds. */
const holds = new Map<string, number>();

function hastyRules(): string {
  return readFileSync(RULES, 'utf8').replace(
    /^( +- alert: (\w+)\n(?:(?! +- alert:).*\n)*? +for: )(\d+)([sm])$/gm,
    (_all, before: string, alert: string, count: string, unit: string) => {
      const seconds = Number(count) * (unit === 'm' ? 60 : 1);
      holds.set(alert, seconds * 1_000);
      return `${before}${Math.ceil(seconds / HASTE)}s`;
    },
  );
}

/** A real Prometheus with the rules, which reads one engine every second. */
async function startPrometheus(target: number): Promise<void> {
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: ['rules.yml'],
    scrape_configs: [
      {
        job_name: 'batuta',
        static_configs: [{ targets: [`127.0.0.1:${target}`], labels: { service: 'execution' } }],
      },
    ],
  };
  writeFileSync(join(directory, 'prometheus.yml'), JSON.stringify(config));
  writeFileSync(join(directory, 'rules.yml'), hastyRules());
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

async function ask<T>(path: string): Promise<T> {
  const response = await fetch(`${url}/api/v1/${path}`);
  const { data } = (await response.json()) as { data: T };
  return data;
}

async function firing(): Promise<Set<string>> {
  const { alerts } = await ask<{ alerts: { labels: { alertname: string }; state: string }[] }>('alerts');
  return new Set(alerts.filter(({ state }) => state === 'firing').map(({ labels }) => labels.alertname));
}

/** The longest time since a moment for which the condition of an alert held without interruption, in milliseconds. */
async function heldFor(alert: string, since: number): Promise<number> {
  const { groups } = await ask<{ groups: { rules: { name: string; query: string }[] }[] }>('rules');
  const expr = groups.flatMap(({ rules }) => rules).find(({ name }) => name === alert)?.query ?? alert;
  const range = `start=${since / 1_000}&end=${Date.now() / 1_000}&step=1`;
  const { result } = await ask<{ result: { values: [seconds: number, value: string][] }[] }>(
    `query_range?query=${encodeURIComponent(expr)}&${range}`,
  );
  let longest = 0;
  for (const { values } of result) {
    let begun = 0;
    values.forEach(([at], index) => {
      const before = values[index - 1]?.[0];
      if (before === undefined || at - before > 1.5) begun = at;
      longest = Math.max(longest, at - begun);
    });
  }
  return longest * 1_000;
}

/** Waits until an alert fires. With the real time of its condition, it would fire within two minutes. */
async function told(alert: string): Promise<void> {
  const since = performance.now();
  await eventually(async () => expect(await firing()).toContain(alert), { timeoutMs: TWO_MINUTES, intervalMs: 200 });
  const hold = holds.get(alert) ?? 0;
  expect(performance.now() - since + hold - hold / HASTE).toBeLessThan(TWO_MINUTES);
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
  await eventually(async () => {
    const { result } = await ask<{ result: unknown[] }>('query?query=batuta_ready');
    expect(result.length).toBeGreaterThan(2);
  });
  expect(holds.get('BatutaPostgresDown')).toBe(30_000);
  expect(holds.get('BatutaPoolUnserved')).toBe(180_000);
  const begun = Date.now();

  // From now on the task of an agent is in the queue of a pool without a worker.
  platform.registry.set('lonely', { pool: 'nobody-serves-it' });
  await platform.command(startRequest(executionId(), 'lonely'));
  // Partitions move between two engines.
  for (let move = 0; move < 3; move++) {
    const other = await platform.execution('other');
    await eventually(() => expect(other.ownedPartitions()).toHaveLength(4));
    await platform.stop(other);
    await eventually(() => expect(engine.ownedPartitions()).toHaveLength(8));
  }

  database.refuse = true;
  await told('BatutaPostgresDown');
  database.refuse = false;
  await eventually(async () => expect(await firing()).not.toContain('BatutaPostgresDown'), {
    timeoutMs: TWO_MINUTES,
    intervalMs: 200,
  });
  // Neither would fire with the real times.
  for (const alert of ['BatutaPartitionsWithoutOwner', 'BatutaNatsDown']) {
    expect(await heldFor(alert, begun)).toBeLessThan(holds.get(alert) ?? 0);
  }

  nats.silence('execution watched');
  await told('BatutaNatsDown');
  // Its released partitions have no owner.
  await told('BatutaPartitionsWithoutOwner');
  nats.heal('execution watched');
  await eventually(
    async () => {
      const now = await firing();
      expect(now).not.toContain('BatutaNatsDown');
      expect(now).not.toContain('BatutaPartitionsWithoutOwner');
      expect(now).toContain('BatutaPoolUnserved');
    },
    { timeoutMs: 240_000, intervalMs: 200 },
  );
  // The conditions were observed to hold, so a wrong query would have been noticed above.
  expect(await heldFor('BatutaNatsDown', begun)).toBeGreaterThan(0);
}, 900_000);
