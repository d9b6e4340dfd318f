import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import pg from 'pg';
import { expectStatus } from '../support/api.js';
import type { Api } from '../support/api.js';
import { expressions, selectionsOf } from '../../tools/deploy/promql.js';
import { Cluster } from '../support/cluster.js';
import { checkLog } from '../support/event-log.js';
import { allHaveStatus, startSurely } from '../support/running.js';

const STEP_MS = 200;
const STEPS = 20;
/**
 * Number of simultaneous attempts of one runner. It is small, so that the runners are the bottleneck and not the
 * machine of the test.
 */
const SLOTS = 4;

/** Independent steps, so that all of them are in the queue at once. */
const BACKLOG = {
  name: 'backlog',
  strategy: 'parallel',
  settings: { parallel_limit: 0 },
  steps: Array.from({ length: STEPS }, (_, index) => ({
    id: `step_${index}`,
    name: `Step ${index}`,
    agent: 'delay',
    input: { ms: STEP_MS },
    timeout_ms: 20_000,
    retry: { max_attempts: 3, backoff_ms: 50 },
  })),
};

describe('step-runners as separate processes, configured as in a deployment', () => {
  let cluster: Cluster;
  let api: Api;
  let database: pg.Client;

  beforeAll(async () => {
    cluster = await Cluster.start({
      instances: { 'step-runner': 4, notifications: 1 },
      env: { BATUTA_RUNNER_SLOTS: String(SLOTS) },
    });
    api = cluster.api();
    expectStatus(await api.post('/api/v1/orchestrations/configs', BACKLOG), 201);
    database = new pg.Client({ connectionString: cluster.stack.databaseUrl });
    await database.connect();
  }, 300_000);

  afterAll(async () => {
    await database?.end();
    await cluster?.stop();
  }, 300_000);

  const startBacklog = (name: string, executions: number): Promise<string[]> =>
    Promise.all(Array.from({ length: executions }, (_, index) => startSurely(api, 'backlog', `${name}-${index}`, {})));

  /** The number of outcomes of these executions in the log. */
  const outcomesOf = async (ids: readonly string[]): Promise<number> => {
    const { rows } = await database.query<{ count: string }>(
      `SELECT count(*) AS count
       FROM execution.events WHERE execution_id = ANY($1) AND type IN ('StepCompleted', 'StepAttemptFailed')`,
      [ids],
    );
    return Number(rows[0]?.count ?? 0);
  };

  /** The largest number of these executions' steps that ran at the same time. */
  const mostAtOnce = async (ids: readonly string[]): Promise<number> => {
    const { rows } = await eventually(
      async () => {
        const runs = await database.query<{ began: number; ended: number }>(
          `SELECT extract(epoch FROM started_at)::float8 * 1000 AS began,
             extract(epoch FROM started_at)::float8 * 1000 + latency_ms AS ended
           FROM execution.orchestration_step_runs WHERE execution_id = ANY($1) AND status = 'completed'`,
          [ids],
        );
        return runs.rows.length === ids.length * STEPS && runs;
      },
      { describe: 'all steps are in the read model' },
    );
    return Math.max(...rows.map(({ began }) => rows.filter((run) => run.began <= began && began < run.ended).length));
  };

  const runningOnly = async (count: number): Promise<void> => {
    for (let index = 0; index < 4; index += 1) {
      const runner = cluster.process('step-runner', index);
      if (index >= count) await runner.end('SIGTERM');
      else if (!runner.running) await runner.start();
    }
  };

  it('run more steps at the same time when there are more of them', async () => {
    const atOnce: number[] = [];
    for (const count of [1, 2, 4]) {
      await runningOnly(count);
      const ids = await startBacklog(`${count}-runners`, 3 * count);
      await allHaveStatus(api, ids, 'completed');
      const facts = await checkLog(cluster.stack.databaseUrl, ids);
      expect(facts).toEqual({ ended: { ExecutionCompleted: ids.length }, outcomes: ids.length * STEPS });
      atOnce.push(await mostAtOnce(ids));
    }
    // The test does not measure speed, which depends on the machine. Each added runner must have steps of its own.
    const [one = 0, two = 0, four = 0] = atOnce;
    expect(one).toBeGreaterThan(0);
    expect(one).toBeLessThanOrEqual(SLOTS);
    expect(two).toBeGreaterThan(SLOTS);
    expect(two).toBeLessThanOrEqual(2 * SLOTS);
    expect(four).toBeGreaterThan(2 * SLOTS);
    expect(four).toBeLessThanOrEqual(4 * SLOTS);
  }, 300_000);

  it('neither lose nor double an outcome when some of them are stopped and others killed under a backlog', async () => {
    await runningOnly(4);
    const ids = await startBacklog('removed', 20);
    const total = ids.length * STEPS;
    const reach = (share: number): Promise<unknown> =>
      eventually(
        async () => {
          const count = await outcomesOf(ids);
          if (count < total * share) throw new Error(`${count} of ${total} outcomes`);
        },
        { timeoutMs: 60_000, intervalMs: 20, describe: `${share * 100} % of the outcomes are recorded` },
      );
    await reach(0.1);
    const stopped = cluster.process('step-runner', 3).end('SIGTERM');
    await reach(0.2);
    await cluster.process('step-runner', 2).end('SIGKILL');
    expect(await stopped).toBe(0);
    await reach(0.4);
    await cluster.process('step-runner', 1).end('SIGKILL');
    expect(await outcomesOf(ids)).toBeLessThan(total);
    expect(cluster.process('step-runner', 0).running).toBe(true);
    await allHaveStatus(api, ids, 'completed');
    const facts = await checkLog(cluster.stack.databaseUrl, ids);
    expect(facts).toEqual({ ended: { ExecutionCompleted: ids.length }, outcomes: total });
  }, 300_000);

  it('export every metric and label that the dashboards and alerts use', async () => {
    await runningOnly(1);
    const exposed = await Promise.all(
      (['gateway', 'config', 'execution', 'step-runner', 'notifications'] as const).map(async (service) => {
        const response = await fetch(`${cluster.process(service).url}/metrics`);
        expect(response.status).toBe(200);
        return response.text();
      }),
    );
    const lines = exposed.flatMap((text) => text.split('\n'));
    const names = new Set(lines.flatMap((line) => /^# TYPE (\S+)/.exec(line)?.[1] ?? []));
    const missing = expressions.flatMap(selectionsOf).flatMap(({ from, metric, labels }) => {
      // Added by Prometheus itself, or of the exporter beside nats-server.
      if (metric === 'up' || /^(jetstream|gnatsd)_/.test(metric)) return [];
      const samples = lines.filter((line) => line.startsWith(`${metric}{`) || line.startsWith(`${metric} `));
      if (!names.has(metric) && !names.has(metric.replace(/_(bucket|sum|count)$/, ''))) return [`${from}: ${metric}`];
      const own = labels.filter((label) => label !== 'service');
      if (samples.length === 0) return [];
      return own
        .filter((label) => !samples.some((line) => line.includes(`${label}="`)))
        .map((label) => `${from}: ${metric}{${label}}`);
    });
    expect(missing).toEqual([]);
  });
});
