import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import { expectStatus } from '../support/api.js';
import type { Api } from '../support/api.js';
import { Cluster } from '../support/cluster.js';
import { Lab } from '../support/lab.js';
import { Orchestrations, outline, stepOf } from '../support/orchestration.js';

const PATIENT = { timeoutMs: 60_000 };

describe('steps that run again, through the gateway', () => {
  let cluster: Cluster;
  let lab: Lab;
  let api: Api;
  let run: Orchestrations;

  beforeAll(async () => {
    cluster = await Cluster.start({ env: { BATUTA_EXECUTION_SNAPSHOT_EVENTS: '5' } });
    api = cluster.api();
    run = new Orchestrations(api);
    lab = await Lab.start(cluster);
    await run.save({
      name: 'poll',
      strategy: 'sequential',
      steps: [
        {
          id: 'ask',
          name: 'Ask',
          agent: 'held',
          input: { page: '{% iteration %}', last: '{% result.next %}' },
          retry: { max_attempts: 2 },
          repeat: { until: '{% result.done and iteration > 1 %}', max_iterations: 3, delay_ms: 200 },
        },
      ],
    });
  }, 300_000);

  afterAll(async () => {
    await lab?.stop();
    await cluster?.stop();
  }, 300_000);

  const iterations = async (id: string): Promise<number> => stepOf(await run.get(id), 'ask').repeat?.iterations ?? 0;

  it('see what the iterations before gave, try one again by its policy, and survive a kill -9 between two', async () => {
    const id = await run.start('poll');
    const first = await lab.attempt(id, 'ask', 1);
    expect(first.input).toEqual({ page: 1, last: null });
    first.finish({ next: 'b', done: true });
    await eventually(async () => (await iterations(id)) === 1, PATIENT);
    const engine = cluster.process('execution');
    await engine.end('SIGKILL');
    engine.spawn();
    const second = await lab.attempt(id, 'ask', 2);
    expect(second.input).toEqual({ page: 2, last: 'b' });
    second.fail('no_luck');
    const again = await lab.attempt(id, 'ask', 3);
    expect(again.input).toEqual({ page: 2, last: 'b' });
    again.finish({ next: 'c', done: true });
    expect(await run.ended(id)).toMatchObject({ status: 'completed', output: { next: 'c', done: true } });
    expect(stepOf(await run.get(id), 'ask')).toMatchObject({
      attempt: 3,
      retry_count: 1,
      repeat: { iterations: 2, max_iterations: 3, results: [{ next: 'b' }, { next: 'c' }] },
    });
    expect(outline(await run.events(id), 'IterationCompleted', 'IterationPlanned', 'StepCompleted')).toEqual([
      'IterationCompleted ask',
      'IterationPlanned ask',
      'IterationCompleted ask',
      'StepCompleted ask',
    ]);
  });

  it('fail after the most iterations that they may have, and a retry goes on after them', async () => {
    const id = await run.start('poll');
    for (const attempt of [1, 2, 3]) (await lab.attempt(id, 'ask', attempt)).finish({ done: false });
    const failed = await run.ended(id);
    expect(failed).toMatchObject({ status: 'failed', failure: { code: 'max_iterations_reached', step_id: 'ask' } });
    expect(failed.failure?.summary).toContain('did not come to an end');
    expect(await run.command(id, 'retry')).toMatchObject({ http: 200 });
    const fourth = await lab.attempt(id, 'ask', 4);
    expect(fourth.input).toMatchObject({ page: 4 });
    fourth.finish({ done: true });
    expect(await run.ended(id)).toMatchObject({ status: 'completed' });
    expect(await iterations(id)).toBe(4);
  });

  it('are executions, each iteration one of its own, which a cancel reaches', async () => {
    await run.save({ name: 'draft', strategy: 'sequential', steps: [{ id: 'ask', name: 'Ask', agent: 'held' }] });
    await run.save({
      name: 'drafts',
      strategy: 'sequential',
      steps: [{ id: 'ask', name: 'Drafts', orchestration: { config: 'draft' }, repeat: { until: 'result.good' } }],
    });
    const id = await run.start('drafts');
    const childOf = async (other: string): Promise<string> => {
      let found = '';
      await eventually(async () => {
        const { child } = stepOf(await run.get(id), 'ask');
        found = child?.execution_id ?? '';
        return child?.status === 'running' && found !== other;
      }, PATIENT);
      return found;
    };
    const first = await childOf('');
    (await lab.attempt(first, 'ask')).finish({ good: false });
    const second = await childOf(first);
    expect(await run.command(id, 'cancel', {})).toMatchObject({ http: 200 });
    await eventually(async () => (await run.get(second)).status === 'cancelled', PATIENT);
    expect(await run.get(first)).toMatchObject({ status: 'completed' });
    expect(await iterations(id)).toBe(1);
  });

  it('are refused at saving with the name that was meant', async () => {
    const answer = await api.post<{ errors: { path: string; code: string; message: string }[] }>(
      '/api/v1/orchestrations/configs',
      {
        name: 'wrong',
        strategy: 'sequential',
        steps: [{ id: 's', name: 'S', agent: 'echo', repeat: { until: 'results.done and reslt.x' } }],
      },
    );
    expectStatus(answer, 400);
    expect(answer.body.errors).toMatchObject([{ path: '/steps/0/repeat/until', code: 'unknown_reference' }]);
    expect(answer.body.errors[0]?.message).toContain('did you mean "result"?');
  });
});
