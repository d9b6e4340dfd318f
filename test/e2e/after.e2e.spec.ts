import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import { Api, expectStatus } from '../support/api.js';
import { Cluster } from '../support/cluster.js';
import { Lab } from '../support/lab.js';
import { Orchestrations } from '../support/orchestration.js';

const PATIENT = { timeoutMs: 60_000 };
const PATH = '/api/v1/orchestrations/execute/work';

describe('executions that wait for others, through the gateway', () => {
  let cluster: Cluster;
  let lab: Lab;
  let api: Api;
  let run: Orchestrations;

  beforeAll(async () => {
    cluster = await Cluster.start({ env: { BATUTA_EXECUTION_SNAPSHOT_EVENTS: '5' } });
    api = cluster.api();
    run = new Orchestrations(api);
    lab = await Lab.start(cluster);
    const step = (id: string, more = {}) => ({ id, name: id, agent: 'held', ...more });
    await run.save({ name: 'work', strategy: 'sequential', steps: [step('a'), step('b', { dependencies: ['a'] })] });
  }, 300_000);

  afterAll(async () => {
    await lab?.stop();
    await cluster?.stop();
  }, 300_000);

  const complete = async (id: string): Promise<void> => {
    (await lab.attempt(id, 'a')).finish({ v: 1 });
    (await lab.attempt(id, 'b')).finish({ v: 2 });
    await run.ended(id);
  };
  const hasStatus = (id: string, status: string): Promise<unknown> =>
    eventually(async () => (await run.get(id)).status === status, PATIENT);
  const waitsFor = (id: string, state: string): Promise<unknown> =>
    eventually(async () => {
      const { after } = await api.client.executions.get(id);
      return after?.[0]?.state === state;
    }, PATIENT);

  it('are pending with the reason, and start when the other one has ended as required', async () => {
    const first = await run.start('work');
    const second = await run.start('work', { after: [{ execution: first }] });
    await waitsFor(second, 'waiting');
    expect(await api.client.executions.get(second)).toMatchObject({
      status: 'pending',
      pending_reason: `waits for execution ${first} to complete`,
      after: [{ execution_id: first, on: 'success', state: 'waiting' }],
    });
    const { executions } = await api.client.executions.list({ status: ['pending'] });
    expect(executions.map(({ id }) => id)).toContain(second);
    await complete(first);
    await complete(second);
    const done = await api.client.executions.get(second);
    expect(done).toMatchObject({ status: 'completed', after: [{ state: 'met', ended: 'completed' }] });
    expect(done).not.toHaveProperty('pending_reason');
  });

  // In other engines, waiting executions were skipped or stuck when the other one had failed, and clearing that one did
  // not wake them.
  it('fail with a clear reason when the other one fails, and continue after a retry of both', async () => {
    const first = await run.start('work');
    const second = await run.start('work', { after: [{ execution: first }] });
    await waitsFor(second, 'waiting');
    (await lab.attempt(first, 'a')).fail('broken');
    await hasStatus(second, 'failed');
    expect(await api.client.executions.get(second)).toMatchObject({
      failure: { code: 'dependency_failed', details: { execution_id: first, on: 'success', ended: 'failed' } },
    });
    await api.client.executions.retry(first);
    await api.client.executions.retry(second);
    await waitsFor(second, 'waiting');
    await complete(first);
    await complete(second);
  });

  it('wait for executions that have ended already, for failures, and for several', async () => {
    const ended = await run.start('work');
    await api.client.executions.cancel(ended, {});
    const running = await run.start('work');
    const both = await run.start('work', {
      after: [
        { execution: ended, on: 'failed' },
        { execution: running, on: 'finished' },
      ],
    });
    await waitsFor(both, 'met');
    expect((await run.get(both)).status).toBe('pending');
    await complete(running);
    await complete(both);
  });

  it('can be cancelled while they wait, and are then not started by the end of the other one', async () => {
    const first = await run.start('work');
    const second = await run.start('work', { after: [{ execution: first }] });
    await api.client.executions.cancel(second, { reason: 'not needed' });
    expect((await run.get(second)).status).toBe('cancelled');
    await complete(first);
    expect((await run.get(second)).status).toBe('cancelled');
  });

  it('are refused with the place of the mistake when the tenant has no such execution, or the entry is wrong', async () => {
    const missing = '0198c0de-0000-7000-8000-00000000dead';
    const known = await run.start('work');
    const refused = async (after: unknown): Promise<unknown> => {
      return expectStatus(await api.post<{ errors?: object[] }>(PATH, { after }), 400).errors;
    };
    expect(await refused([{ execution: known }, { execution: missing }])).toMatchObject([
      { path: '/after/1/execution', code: 'unknown_execution' },
    ]);
    expect(await refused([])).toMatchObject([{ path: '/after', code: 'too_few' }]);
    expect(await refused([{ execution: known }, { execution: known.toUpperCase() }])).toMatchObject([
      { path: '/after/1/execution', code: 'duplicate_dependency' },
    ]);
    expect(await refused([{ execution: known, on: 'succes' }])).toMatchObject([{ path: '/after/0/on' }]);
    expect(await refused([{ exection: known }])).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          path: '/after/0/exection',
          code: 'unknown_field',
          message: expect.stringContaining('execution'),
        }),
      ]),
    );
    await api.client.executions.cancel(known, {});
  });

  it('wait also as a fork, and a fork is refused as a start when the tenant has no such execution', async () => {
    const source = await run.start('work');
    await complete(source);
    const first = await run.start('work');
    const path = `/api/v1/orchestrations/executions/${source}/fork`;
    const missing = '0198c0de-0000-7000-8000-00000000dead';
    const answer = await api.post(path, { from_step_id: 'b', after: [{ execution: first }, { execution: missing }] });
    expect(expectStatus(answer, 400)).toMatchObject({
      errors: [{ path: '/after/1/execution', code: 'unknown_execution' }],
    });
    const { execution_id: fork } = await api.client.executions.fork(source, {
      from_step_id: 'b',
      after: [{ execution: first }],
    });
    await waitsFor(fork, 'waiting');
    expect(await api.client.executions.get(fork)).toMatchObject({
      status: 'pending',
      forked_from: source,
      after: [{ execution_id: first, on: 'success', state: 'waiting' }],
    });
    await complete(first);
    (await lab.attempt(fork, 'b')).finish({ v: 3 });
    await run.ended(fork);
    expect(await api.client.executions.get(fork)).toMatchObject({ status: 'completed', after: [{ state: 'met' }] });
  });

  it('do not learn anything about executions of another tenant', async () => {
    const { secret } = await api.client.apiKeys.create({
      tenant_id: 'elsewhere',
      user_id: 'eve',
      role: 'admin',
      name: 'test',
    });
    const other = new Api(api.url, secret ?? '');
    const first = await run.start('work');
    await other.post('/api/v1/orchestrations/configs', {
      name: 'work',
      strategy: 'sequential',
      steps: [{ id: 'a', name: 'A', agent: 'echo' }],
    });
    const answer = expectStatus(await other.post(PATH, { after: [{ execution: first }] }), 400);
    expect(answer).toMatchObject({ errors: [{ path: '/after/0/execution', code: 'unknown_execution' }] });
    await api.client.executions.cancel(first, {});
  });
});
