import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { seeded } from '@batuta/testing';
import pg from 'pg';
import type { Api } from '../support/api.js';
import { expectStatus } from '../support/api.js';
import { Cluster } from '../support/cluster.js';
import { checkLog } from '../support/event-log.js';
import { allHaveStatus, startSurely } from '../support/running.js';

const PARENTS = 20;
const ROUNDS = 4;
/** Approximate duration of a round without a fault, in milliseconds. The times of the faults are chosen within it. */
const RUN_MS = 1_500;

const work = (id: string, dependencies: string[]) => ({
  id,
  name: id,
  agent: 'delay',
  dependencies,
  input: { ms: '{% input.ms %}' },
  timeout_ms: 20_000,
  retry: { max_attempts: 5, backoff_ms: 50 },
});
const PART = { name: 'chaos-part', strategy: 'sequential', steps: [work('a', []), work('b', ['a'])] };
const ITERATIONS = 4;
const WHOLE = {
  name: 'chaos-whole',
  strategy: 'parallel',
  steps: [
    ...['left', 'right'].map((id) => ({
      id,
      name: id,
      orchestration: { config: PART.name },
      input: { ms: '{% input.ms %}' },
    })),
    { ...work('again', []), repeat: { until: `iteration = ${ITERATIONS}`, delay_ms: 50 } },
  ],
};

describe('executions whose steps are executions, or run again, survive', () => {
  let cluster: Cluster;
  let api: Api;
  let database: pg.Pool;
  const random = seeded();

  beforeAll(async () => {
    cluster = await Cluster.start();
    api = cluster.api();
    database = new pg.Pool({ connectionString: cluster.stack.databaseUrl, max: 1 });
    database.on('error', () => undefined);
    for (const config of [PART, WHOLE]) expectStatus(await api.post('/api/v1/orchestrations/configs', config), 201);
  }, 300_000);

  afterAll(async () => {
    await database?.end();
    await cluster?.stop();
  }, 300_000);

  const faults: Record<string, () => Promise<void>> = {
    'kill -9 of the execution service': async () => {
      const engine = cluster.process('execution');
      await engine.end('SIGKILL');
      engine.spawn();
    },
    'kill -9 of nats-server': async () => {
      await cluster.nats.kill();
      await cluster.nats.start();
    },
  };

  for (const [name, fault] of Object.entries(faults)) {
    it(`${name}, at four moments: each child starts once, its end comes once, and each iteration is done once`, async () => {
      for (let round = 1; round <= ROUNDS; round += 1) {
        const moment = random.integer(0, RUN_MS);
        const key = `${name.replaceAll(' ', '_')}-${random.seed}-${round}`;
        const starts = Promise.all(
          Array.from({ length: PARENTS }, (_, index) => startSurely(api, WHOLE.name, `${key}-${index}`, { ms: 150 })),
        );
        await new Promise((resolve) => setTimeout(resolve, moment));
        await fault();
        const ids = await starts;
        await allHaveStatus(api, ids, 'completed');
        const facts = await checkLog(cluster.stack.databaseUrl, ids);
        expect(facts.ended).toEqual({ ExecutionCompleted: PARENTS });
        const { rows } = await database.query<{ parent: string; id: string; status: string }>(
          `SELECT e.data->'parent'->>'executionId' AS parent, e.execution_id AS id, x.status
           FROM execution.events e JOIN execution.orchestration_executions x ON x.id = e.execution_id
           WHERE e.version = 1 AND e.data->'parent'->>'executionId' = ANY($1)`,
          [ids],
        );
        expect(rows).toHaveLength(PARENTS * 2);
        expect(new Set(rows.map(({ status }) => status))).toEqual(new Set(['completed']));
        const children = rows.map(({ id }) => id);
        const ofChildren = await checkLog(cluster.stack.databaseUrl, children);
        expect(ofChildren.ended).toEqual({ ExecutionCompleted: PARENTS * 2 });
        const ends = await database.query<{ count: number }>(
          `SELECT count(*)::int AS count FROM execution.events WHERE execution_id = ANY($1::uuid[]) AND type = 'ChildEnded'`,
          [ids],
        );
        expect(ends.rows[0]?.count).toBe(PARENTS * 2);
        const iterations = await database.query<{ numbers: number[] }>(
          `SELECT array_agg((data->>'iteration')::int ORDER BY version) AS numbers FROM execution.events
           WHERE execution_id = ANY($1::uuid[]) AND type = 'IterationCompleted' GROUP BY execution_id`,
          [ids],
        );
        const each = Array.from({ length: ITERATIONS }, (_, index) => index + 1);
        expect(iterations.rows.map(({ numbers }) => numbers)).toEqual(Array.from({ length: PARENTS }, () => each));
      }
    }, 600_000);
  }
});
