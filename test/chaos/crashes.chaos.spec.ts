import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { seeded } from '@batuta/testing';
import type { Api } from '../support/api.js';
import { expectStatus } from '../support/api.js';
import { Cluster } from '../support/cluster.js';
import { checkLog } from '../support/event-log.js';
import { allHaveStatus, startSurely } from '../support/running.js';

const EXECUTIONS = 50;
const ROUNDS = 5;
/** Approximate duration of a round without a fault. The moments of the faults are drawn from it. */
const RUN_MS = 1_200;
const STEPS = ['first', 'left', 'right', 'last'] as const;

const CONFIG = {
  name: 'crash-course',
  strategy: 'parallel',
  steps: [
    { id: 'first', name: 'First', agent: 'delay', input: { ms: '{% input.ms %}' } },
    { id: 'left', name: 'Left', agent: 'delay', dependencies: ['first'], input: { ms: '{% input.ms %}' } },
    { id: 'right', name: 'Right', agent: 'echo', dependencies: ['first'] },
    { id: 'last', name: 'Last', agent: 'delay', dependencies: ['left', 'right'], input: { ms: '{% input.ms %}' } },
  ].map((step) => ({
    ...step,
    timeout_ms: 20_000,
    // An attempt that is lost with its process does not count, unless it is lost three times in a row.
    retry: { max_attempts: 5, backoff_ms: 50 },
  })),
};

describe('50 running executions survive', () => {
  let cluster: Cluster;
  let api: Api;
  const random = seeded();

  beforeAll(async () => {
    cluster = await Cluster.start();
    api = cluster.api();
    expectStatus(await api.post('/api/v1/orchestrations/configs', CONFIG), 201);
  }, 300_000);

  afterAll(async () => {
    await cluster?.stop();
  }, 300_000);

  const faults: Record<string, () => Promise<void>> = {
    'kill -9 of the execution service': async () => {
      const engine = cluster.process('execution');
      await engine.end('SIGKILL');
      engine.spawn();
    },
    'kill -9 of the step-runner': async () => {
      const runner = cluster.process('step-runner');
      await runner.end('SIGKILL');
      runner.spawn();
    },
    'kill -9 of the gateway': async () => {
      const gateway = cluster.process('gateway');
      await gateway.end('SIGKILL');
      gateway.spawn();
    },
    'kill -9 of nats-server': async () => {
      await cluster.nats.kill();
      await cluster.nats.start();
    },
    'a restart of PostgreSQL': async () => {
      await cluster.postgres.restart();
    },
    'the deletion of the whole JetStream store': async () => {
      await cluster.nats.kill();
      await cluster.nats.deleteStore();
      await cluster.nats.start();
    },
  };

  for (const [name, fault] of Object.entries(faults)) {
    it(`${name}, at five moments`, async () => {
      for (let round = 1; round <= ROUNDS; round += 1) {
        const moment = random.integer(0, RUN_MS);
        const key = `${name.replaceAll(' ', '_')}-${random.seed}-${round}`;
        const starts = Promise.all(
          Array.from({ length: EXECUTIONS }, (_, index) =>
            startSurely(api, CONFIG.name, `${key}-${index}`, { ms: 250 }),
          ),
        );
        await new Promise((resolve) => setTimeout(resolve, moment));
        await fault();
        const ids = await starts;
        expect(new Set(ids).size).toBe(EXECUTIONS);
        await allHaveStatus(api, ids, 'completed');
        const facts = await checkLog(cluster.stack.databaseUrl, ids);
        expect(facts.ended).toEqual({ ExecutionCompleted: EXECUTIONS });
        expect(facts.outcomes).toBeGreaterThanOrEqual(EXECUTIONS * STEPS.length);
      }
    }, 300_000);
  }
});
