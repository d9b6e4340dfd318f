import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually, seeded } from '@batuta/testing';
import pg from 'pg';
import type { Api } from '../support/api.js';
import { expectStatus } from '../support/api.js';
import { Cluster } from '../support/cluster.js';
import { checkLog } from '../support/event-log.js';
import { allHaveStatus, startSurely } from '../support/running.js';

const CONFIG = {
  name: 'shared-work',
  strategy: 'sequential',
  steps: ['one', 'two', 'three'].map((id) => ({
    id,
    name: id,
    agent: 'delay',
    input: { ms: '{% input.ms %}' },
    retry: { max_attempts: 5, backoff_ms: 50 },
  })),
};

interface PartitionRow {
  readonly id: number;
  readonly owner: string | null;
  readonly epoch: number;
}

describe('two execution processes', () => {
  let cluster: Cluster;
  let api: Api;
  let database: pg.Client;
  const random = seeded();

  const partitions = async (): Promise<PartitionRow[]> => {
    const { rows } = await database.query<PartitionRow>(
      'SELECT id, owner, epoch::float8 AS epoch FROM execution.partitions ORDER BY id',
    );
    return rows;
  };

  const ownedBy = async (owner: string, count: number): Promise<void> => {
    await eventually(
      async () => {
        const owned = (await partitions()).filter((row) => row.owner === owner).length;
        if (owned !== count) {
          throw new Error(`${owner} owns ${owned}`);
        }
      },
      { timeoutMs: 60_000, describe: `${owner} owns ${count} partitions` },
    );
  };

  const startMany = (name: string, count: number, ms: number): Promise<string[]> =>
    Promise.all(
      Array.from({ length: count }, (_, index) =>
        startSurely(api, CONFIG.name, `${name}-${random.seed}-${index}`, { ms }),
      ),
    );

  const completed = async (ids: readonly string[]): Promise<void> => {
    await allHaveStatus(api, ids, 'completed');
    const facts = await checkLog(cluster.stack.databaseUrl, ids);
    expect(facts.ended).toEqual({ ExecutionCompleted: ids.length });
  };

  const counters = async (index: number): Promise<Record<string, number>> => {
    const text = await (await fetch(`${cluster.process('execution', index).url}/metrics`)).text();
    return Object.fromEntries(
      [...text.matchAll(/^batuta_engine_(\w+)_total (\d+)/gm)].map(([, kind, value]) => [kind, Number(value)]),
    );
  };

  beforeAll(async () => {
    cluster = await Cluster.start({
      instances: { execution: 2 },
      env: { BATUTA_EXECUTION_LEASE: '1500', BATUTA_EXECUTION_RENEW: '300', BATUTA_EXECUTION_GRACE: '500' },
    });
    api = cluster.api();
    expectStatus(await api.post('/api/v1/orchestrations/configs', CONFIG), 201);
    database = new pg.Client({ connectionString: cluster.stack.databaseUrl });
    await database.connect();
    await ownedBy('execution-0', 32);
    await ownedBy('execution-1', 32);
  }, 300_000);

  afterAll(async () => {
    await database?.end();
    await cluster?.stop();
  }, 300_000);

  it('share the partitions, and one takes over all when the other is killed', async () => {
    const ids = await startMany('killed', 40, 200);
    await cluster.process('execution', 0).end('SIGKILL');
    await ownedBy('execution-1', 64);
    await completed(ids);
    expect((await partitions()).every(({ owner }) => owner === 'execution-1')).toBe(true);

    await cluster.process('execution', 0).start();
    await ownedBy('execution-0', 32);
    await ownedBy('execution-1', 32);
    await completed(await startMany('after', 20, 1));
  }, 300_000);

  it('fence a process that slept past its lease: nothing that it tries after waking takes effect', async () => {
    const sleeper = cluster.process('execution', 0);
    const ids = await startMany('asleep', 40, 300);
    const before = new Map((await partitions()).map((row) => [row.id, row]));
    const triedBefore = await counters(0);
    sleeper.pause();
    await ownedBy('execution-1', 64);
    const taken = await partitions();
    for (const row of taken) {
      const was = before.get(row.id);
      if (was?.owner === 'execution-0') {
        expect(row.epoch).toBeGreaterThan(was.epoch);
      }
    }
    await completed(ids);
    const lengthOf = async (): Promise<number> => {
      const { rows } = await database.query<{ count: number }>(
        'SELECT count(*)::float8 AS count FROM execution.events WHERE execution_id = ANY($1)',
        [ids],
      );
      return rows[0]?.count ?? 0;
    };
    const length = await lengthOf();

    // Results of the paused executions wait in its socket, so it will try to record what the other process has
    // recorded.
    sleeper.resume();
    await eventually(
      async () => {
        const { inputs = 0, fenced = 0 } = await counters(0);
        if (inputs + fenced <= (triedBefore['inputs'] ?? 0) + (triedBefore['fenced'] ?? 0)) {
          throw new Error('it has not tried anything yet');
        }
      },
      { timeoutMs: 60_000, describe: 'the woken owner tries what it had been sent' },
    );
    await ownedBy('execution-0', 32);
    expect(await lengthOf()).toBe(length);
    await completed(ids);
    // As an owner with new epochs it works again.
    await completed(await startMany('awake', 20, 1));
  }, 300_000);
});
