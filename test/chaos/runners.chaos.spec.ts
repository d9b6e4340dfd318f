import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually, runFile } from '@batuta/testing';
import type { Child } from '@batuta/testing';
import { setTimeout as delay } from 'node:timers/promises';
import type { Api } from '../support/api.js';
import { expectStatus } from '../support/api.js';
import { Cluster } from '../support/cluster.js';
import { allHaveStatus, startSurely } from '../support/running.js';

const BASE = '/api/v1/orchestrations';
const GOOD = 20;

interface Execution {
  readonly status: string;
  readonly failure?: { readonly code: string; readonly message: string; readonly details?: unknown };
}

/** Step-runners that are restarted when they end, as a supervisor does. */
class Workers {
  readonly #env: NodeJS.ProcessEnv;
  readonly #running = new Map<number, Child>();
  readonly #children: Child[] = [];
  #stopped = false;
  /** Number of processes that have ended. */
  ends = 0;

  constructor(count: number, env: NodeJS.ProcessEnv) {
    this.#env = env;
    for (let index = 0; index < count; index += 1) this.#start(index);
  }

  #start(index: number): void {
    const child = runFile('test/chaos/ending-worker.ts', {
      env: { ...this.#env, BATUTA_RUNNER_ID: `worker-${index}` },
    });
    this.#children.push(child);
    this.#running.set(index, child);
    child.process.once('exit', () => {
      if (this.#stopped) return;
      this.ends += 1;
      this.#start(index);
    });
  }

  async serve(): Promise<void> {
    await eventually(() => [...this.#running.values()].every(({ output }) => output().includes('serves')), {
      timeoutMs: 90_000,
      describe: 'all workers serve',
    });
  }

  signal(index: number, signal: NodeJS.Signals): void {
    this.#running.get(index)?.process.kill(signal);
  }

  /** How many times the agent of each execution has started. */
  begun(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const [, id = ''] of this.#children.flatMap(({ output }) => [...output().matchAll(/^begins (\S+)/gm)])) {
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    return counts;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#running.values()].map((child) => child.end('SIGKILL')));
  }
}

describe.each(['off', 'on'])('with direct dispatch %s', (direct) => {
  let cluster: Cluster;
  let api: Api;
  let workers: Workers;
  let next = 0;

  beforeAll(async () => {
    cluster = await Cluster.start({
      instances: { 'step-runner': 0 },
      env: { BATUTA_EXECUTION_DIRECT: direct },
    });
    api = cluster.api();
    for (const agent of ['works', 'ends_all']) {
      const { status } = await api.call('PUT', `/api/v1/agents/${agent}`, { pool: 'ending' });
      expect([200, 201]).toContain(status);
      const config = { name: agent, strategy: 'sequential', steps: [{ id: 'step', name: 'Step', agent }] };
      expectStatus(await api.post(`${BASE}/configs`, config), 201);
    }
  }, 300_000);

  beforeEach(async () => {
    workers = new Workers(2, {
      NATS_URL: cluster.stack.natsUrl,
      NATS_CREDS: await cluster.workerCredentials('ending'),
      BATUTA_RUNNER_POOLS: 'ending',
      BATUTA_RUNNER_SLOTS: '32',
    });
    await workers.serve();
  }, 300_000);

  afterEach(async () => {
    await workers.stop();
  });

  afterAll(async () => {
    await cluster?.stop();
  }, 300_000);

  const start = (config: string, input: unknown): Promise<string> =>
    startSurely(api, config, `${direct}-${(next += 1)}`, input);
  const startMany = (count: number, input: unknown): Promise<string[]> =>
    Promise.all(Array.from({ length: count }, () => start('works', input)));
  const begunBy = async (ids: readonly string[]): Promise<void> => {
    await eventually(() => ids.every((id) => workers.begun().has(id)), {
      timeoutMs: 60_000,
      describe: 'all have begun',
    });
  };

  it('an agent that ends its process fails alone, without its neighbours', async () => {
    const good = await startMany(GOOD / 2, { ms: 1_500 });
    const bad = await start('ends_all', { ms: 300 });
    good.push(...(await startMany(GOOD / 2, { ms: 1_500 })));
    await allHaveStatus(api, good, 'completed');
    await allHaveStatus(api, [bad], 'failed');
    const { failure } = expectStatus(await api.get<Execution>(`${BASE}/executions/${bad}`), 200);
    expect(failure).toMatchObject({
      code: 'runner_lost',
      message: '3 runners ended while they ran this step, the last while it ran nothing else.',
    });
    expect(workers.ends).toBeGreaterThanOrEqual(2);
    expect(workers.ends).toBeLessThanOrEqual(4);
  }, 300_000);

  it('an agent that ends its process at once is identified too', async () => {
    const bad = await start('ends_all', { ms: 0 });
    await allHaveStatus(api, [bad], 'failed');
    const { failure } = expectStatus(await api.get<Execution>(`${BASE}/executions/${bad}`), 200);
    expect(failure?.code).toBe('runner_lost');
    expect(workers.ends).toBeLessThanOrEqual(5);
  }, 300_000);

  it('three stalls of three seconds fail nothing, and nothing runs twice', async () => {
    const ids = await startMany(30, { ms: 16_000 });
    await begunBy(ids);
    for (let stall = 0; stall < 3; stall += 1) {
      for (const index of [0, 1]) workers.signal(index, 'SIGSTOP');
      await delay(3_000);
      for (const index of [0, 1]) workers.signal(index, 'SIGCONT');
      await delay(1_000);
    }
    await allHaveStatus(api, ids, 'completed');
    expect(ids.filter((id) => workers.begun().get(id) !== 1)).toEqual([]);
    expect(workers.ends).toBe(0);
  }, 300_000);

  it('a stall of ten seconds fails nothing, and nothing runs twice', async () => {
    const ids = await startMany(30, { ms: 5_000 });
    await begunBy(ids);
    workers.signal(0, 'SIGSTOP');
    await delay(10_000);
    workers.signal(0, 'SIGCONT');
    await allHaveStatus(api, ids, 'completed');
    expect(ids.filter((id) => workers.begun().get(id) !== 1)).toEqual([]);
  }, 300_000);

  it('sixty-four inputs of a mebibyte in flight cause no failure', async () => {
    const ids = await startMany(64, { ms: 2_000, text: 'x'.repeat(1_000_000) });
    await allHaveStatus(api, ids, 'completed');
    expect(workers.ends).toBe(0);
  }, 300_000);
});
