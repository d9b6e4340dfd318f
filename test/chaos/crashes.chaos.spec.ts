import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually, seeded } from '@batuta/testing';
import type { Api } from '../support/api.js';
import { expectStatus } from '../support/api.js';
import { Cluster } from '../support/cluster.js';
import { checkLog } from '../support/event-log.js';

const EXECUTIONS = 50;
const ROUNDS = 5;
/** About how long the executions of a round run without a fault; the moments of the faults are drawn from it. */
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
    // A process that dies with an attempt running spends nothing, but one that is killed three times in a row does.
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
  }, 120_000);

  afterAll(async () => {
    await cluster?.stop();
  }, 60_000);

  /** A start is sent again with its key until it is answered, as any client does that lost its connection. */
  const start = async (key: string): Promise<string> => {
    let id = '';
    await eventually(
      async () => {
        const answer = await api.post<{ execution_id: string }>(
          '/api/v1/orchestrations/execute/crash-course',
          { input: { ms: 250 } },
          { 'idempotency-key': key },
        );
        id = expectStatus(answer, 202).execution_id;
      },
      { timeoutMs: 60_000, describe: `start ${key} is answered` },
    );
    return id;
  };

  const allCompleted = async (ids: readonly string[]): Promise<void> => {
    await eventually(
      async () => {
        const open: string[] = [];
        for (const id of ids) {
          const answer = await api.get<{ status: string }>(`/api/v1/orchestrations/executions/${id}`);
          if (expectStatus(answer, 200).status !== 'completed') {
            open.push(`${id} ${answer.body.status}`);
          }
        }
        if (open.length > 0) {
          throw new Error(`${open.length} not completed, for example ${open[0]}`);
        }
      },
      { timeoutMs: 90_000, intervalMs: 200, describe: 'all executions are completed' },
    );
  };

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
        const starts = Promise.all(
          Array.from({ length: EXECUTIONS }, (_, index) =>
            start(`${name.replaceAll(' ', '_')}-${random.seed}-${round}-${index}`),
          ),
        );
        await new Promise((resolve) => setTimeout(resolve, moment));
        await fault();
        const ids = await starts;
        expect(new Set(ids).size).toBe(EXECUTIONS);
        await allCompleted(ids);
        const facts = await checkLog(cluster.stack.databaseUrl, ids);
        expect(facts.ended).toEqual({ ExecutionCompleted: EXECUTIONS });
        expect(facts.outcomes).toBeGreaterThanOrEqual(EXECUTIONS * STEPS.length);
      }
    }, 300_000);
  }
});
