import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import type { Api } from '../support/api.js';
import { expectStatus } from '../support/api.js';
import { Cluster } from '../support/cluster.js';
import { Lab } from '../support/lab.js';
import { Orchestrations } from '../support/orchestration.js';

const PATIENT = { timeoutMs: 120_000 };

describe('configs that limit how many of their executions run, through the gateway', () => {
  let cluster: Cluster;
  let lab: Lab;
  let api: Api;
  let run: Orchestrations;

  beforeAll(async () => {
    cluster = await Cluster.start({ env: { BATUTA_EXECUTION_SNAPSHOT_EVENTS: '5' } });
    api = cluster.api();
    run = new Orchestrations(api);
    lab = await Lab.start(cluster);
    const steps = [{ id: 'a', name: 'a', agent: 'held' }];
    const limited = (name: string, concurrency: object): Promise<unknown> =>
      run.save({ name, strategy: 'sequential', steps, settings: { concurrency } } as never);
    await limited('by-customer', { key: '{% "c-" & $string(input.customer) %}', limit: 1 });
    await limited('by-session', { key: '{% session_id %}', limit: 1 });
    await limited('rejecting', { limit: 1, on_limit: 'reject' });
  }, 300_000);

  afterAll(async () => {
    await lab?.stop();
    await cluster?.stop();
  }, 300_000);

  const hasStatus = (id: string, status: string): Promise<unknown> =>
    eventually(async () => (await run.get(id)).status === status, PATIENT);
  const complete = async (id: string): Promise<void> => {
    (await lab.attempt(id, 'a')).finish({ v: 1 });
    await run.ended(id);
  };

  it('let one after the other run, and say what the next one waits for', async () => {
    const first = await run.start('by-customer', { input: { customer: 1 } });
    await hasStatus(first, 'running');
    const second = await run.start('by-customer', { input: { customer: 1 } });
    const other = await run.start('by-customer', { input: { customer: 2 } });
    await hasStatus(other, 'running');
    await eventually(async () => {
      const { concurrency } = await api.client.executions.get(second);
      return concurrency?.position === 1;
    }, PATIENT);
    expect(await api.client.executions.get(second)).toMatchObject({
      status: 'pending',
      pending_reason: 'waits for one of 1 concurrent execution with key "c-1"; joined the queue as number 1',
      concurrency: { key: 'c-1', limit: 1, state: 'waiting', position: 1, held: 1 },
    });
    expect((await api.client.executions.list({ status: ['pending'] })).executions.map(({ id }) => id)).toContain(
      second,
    );
    await complete(first);
    await hasStatus(second, 'running');
    expect(await api.client.executions.get(second)).toMatchObject({ concurrency: { state: 'held' } });
    await complete(second);
    expect(await api.client.executions.get(second)).not.toHaveProperty('concurrency');
    await complete(other);
  });

  it('take the session as the key, and a cancelled one leaves the queue', async () => {
    const start = (session: string): Promise<string> => run.start('by-session', { session_id: session });
    const [first, second, third] = [await start('s'), await start('s'), await start('s')];
    await hasStatus(first, 'running');
    await run.command(second, 'cancel');
    await complete(first);
    await hasStatus(third, 'running');
    await complete(third);
    expect((await run.get(second)).status).toBe('cancelled');
  });

  it('fail what finds no place, and let it be retried', async () => {
    const first = await run.start('rejecting');
    await hasStatus(first, 'running');
    const second = await run.start('rejecting');
    expect(await run.ended(second)).toMatchObject({ status: 'failed', failure: { code: 'concurrency_limit' } });
    await complete(first);
    await eventually(async () => {
      await run.command(second, 'retry');
      return (await run.get(second)).status === 'running';
    }, PATIENT);
    await complete(second);
  });

  it('are refused with the place of each mistake', async () => {
    const refused = await api.call('POST', '/api/v1/orchestrations/configs', {
      name: 'wrong',
      strategy: 'sequential',
      steps: [{ id: 'a', name: 'a', agent: 'held' }],
      settings: { concurrency: { limits: 2, on_limit: 'wait' } },
    });
    expectStatus(refused, 400);
    const { errors: violations } = refused.body as { errors: { path: string; message: string }[] };
    expect(violations.map(({ path }) => path)).toEqual(
      expect.arrayContaining([
        '/settings/concurrency/limits',
        '/settings/concurrency/limit',
        '/settings/concurrency/on_limit',
      ]),
    );
    expect(violations.find(({ path }) => path.endsWith('/limits'))?.message).toContain('did you mean "limit"?');
  });
});
