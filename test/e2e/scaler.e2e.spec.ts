import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import { parse } from 'yaml';
import { read } from '../../tools/deploy/places.js';
import { expectStatus } from '../support/api.js';
import type { Api } from '../support/api.js';
import { Cluster } from '../support/cluster.js';
import { allHaveStatus } from '../support/running.js';

const { spec } = parse(read('deploy/k8s/autoscaling/step-runner.yaml')) as {
  spec: { triggers: { type: string; metadata: { url: string; valueLocation: string; format: string } }[] };
};
const SLOTS = 4;
/** Long enough to be observed. Executions that still run at the end are cancelled. */
const LONG_MS = 120_000;

/** The answers to KEDA's metrics-api scaler, requested in its way: https://keda.sh/docs/latest/scalers/metrics-api/ */
describe('the autoscaler of a runner pool', () => {
  let cluster: Cluster;
  let api: Api;

  beforeAll(async () => {
    cluster = await Cluster.start({
      instances: { execution: 2, 'step-runner': 2 },
      env: { BATUTA_RUNNER_SLOTS: String(SLOTS) },
    });
    api = cluster.api();
    for (const [name, steps] of [
      ['few', 3],
      ['many', 20],
    ] as const) {
      const config = {
        name,
        strategy: 'parallel',
        settings: { parallel_limit: 0 },
        steps: Array.from({ length: steps }, (_, index) => ({
          id: `step_${index}`,
          name: `Step ${index}`,
          agent: 'delay',
          input: { ms: LONG_MS },
          timeout_ms: 2 * LONG_MS,
          retry: { max_attempts: 5, backoff_ms: 50 },
        })),
      };
      expectStatus(await api.post('/api/v1/orchestrations/configs', config), 201);
    }
  }, 300_000);

  afterAll(async () => {
    await cluster?.stop();
  }, 300_000);

  const ask = async (engine: number): Promise<unknown> => {
    const [trigger] = spec.triggers;
    if (trigger === undefined) throw new Error('there is no trigger');
    const { pathname, search } = new URL(trigger.metadata.url);
    const response = await fetch(`${cluster.process('execution', engine).url}${pathname}${search}`);
    expect(response.status).toBe(200);
    const body = (await response.json()) as Record<string, unknown>;
    return body[trigger.metadata.valueLocation];
  };
  /** Both engines must report it, whichever has the executions. */
  const demandIs = (demand: number, engines = [0, 1]): Promise<unknown> =>
    eventually(
      async () => {
        for (const engine of engines) expect(await ask(engine)).toBe(demand);
      },
      { timeoutMs: 60_000, describe: `the demand is ${demand}` },
    );

  it('gets the waiting and running tasks from every engine, with and without runners, including those of an engine that ended', async () => {
    await demandIs(0);
    const started = async (config: string): Promise<string> => {
      const answer = await api.post<{ execution_id: string }>(`/api/v1/orchestrations/execute/${config}`, {
        input: {},
      });
      return expectStatus(answer, 202).execution_id;
    };
    // They fit into the slots, so they are sent directly to a runner.
    const ids = [await started('few')];
    await demandIs(3);
    // There are more tasks than slots, so the others wait.
    ids.push(await started('many'));
    await demandIs(23);
    // An engine ends. The other takes over its partitions, and reports the same.
    await cluster.process('execution', 1).end('SIGKILL');
    await demandIs(23, [0]);
    // No runner is left, so all tasks wait.
    await cluster.process('step-runner', 0).end('SIGKILL');
    await cluster.process('step-runner', 1).end('SIGKILL');
    await demandIs(23, [0]);
    for (const id of ids) {
      expectStatus(await api.post(`/api/v1/orchestrations/executions/${id}/cancel`, {}), 200);
    }
    await cluster.process('step-runner', 0).start();
    await allHaveStatus(api, ids, 'cancelled');
    await demandIs(0, [0]);
  }, 300_000);

  it('gets a clear answer to a wrong request', async () => {
    const response = await fetch(`${cluster.process('execution').url}/demand?pool=no%20pool`);
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({ error: 'pool must be the name of a pool' });
  });
});
