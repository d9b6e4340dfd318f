import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ExecutionView } from '@batuta/client';
import { eventually } from '@batuta/testing';
import { expectStatus } from '../support/api.js';
import type { Api } from '../support/api.js';
import { Cluster } from '../support/cluster.js';
import { Lab } from '../support/lab.js';
import { Orchestrations, outline, stepOf } from '../support/orchestration.js';

const PATIENT = { timeoutMs: 120_000 };
const MANY = 2_000;

describe('steps with a map, through the gateway', () => {
  let cluster: Cluster;
  let lab: Lab;
  let api: Api;
  let run: Orchestrations;

  beforeAll(async () => {
    cluster = await Cluster.start({ env: { BATUTA_EXECUTION_SNAPSHOT_EVENTS: '5' } });
    api = cluster.api();
    run = new Orchestrations(api);
    lab = await Lab.start(cluster);
    await save('echoes', { step: { agent: 'echo', input: { n: '{% item * 2 %}', at: '{% index %}' } } });
    await save('held', { step: { agent: 'held' }, max_concurrency: 2 });
  }, 300_000);

  afterAll(async () => {
    await lab?.stop();
    await cluster?.stop();
  }, 300_000);

  const save = (name: string, map: object): Promise<string> =>
    run.save({
      name,
      strategy: 'sequential',
      steps: [{ id: 'each', name: 'Each', map: { items: '{% input.list %}', ...map } }],
    });
  const mapOf = async (id: string) => stepOf(await run.get(id), 'each').map;
  const chunksOf = async (id: string): Promise<string[]> =>
    ((await run.get(id)).children ?? []).map(({ execution_id: child }) => child);
  const list = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

  it(`work on ${MANY} items, and give the results in their order`, async () => {
    const id = await run.start('echoes', { input: { list: list(MANY) } });
    let last: ExecutionView | undefined;
    await eventually(
      async () => {
        last = await run.get(id);
        return !['pending', 'running'].includes(last.status);
      },
      { timeoutMs: 300_000 },
    );
    expect(last).toMatchObject({ status: 'completed' });
    const step = stepOf(await run.get(id), 'each');
    expect(step).toMatchObject({ status: 'completed', map: { total: MANY, done: MANY, failed: 0, running: 0 } });
    expect(step.output).toEqual(list(MANY).map((n) => ({ n: n * 2, at: n })));
    const executions = await api.client.executions.list({ parent_id: id, limit: 200 }).all();
    expect(executions.map(({ parent_id: parent, config_name: config }) => [parent, config])).toEqual(
      Array.from({ length: MANY / 100 }, () => [id, 'echoes/each']),
    );
    // The parent's events do not grow with the number of items, only with that of chunks.
    expect((await run.events(id)).length).toBeLessThan(150);
  }, 320_000);

  it('survive a kill -9 of the engine, and record each item once', async () => {
    const id = await run.start('held', { input: { list: list(4) } });
    await eventually(async () => (await chunksOf(id)).length === 1, PATIENT);
    const [chunk = ''] = await chunksOf(id);
    (await lab.attempt(chunk, 'item-0')).finish('first');
    const engine = cluster.process('execution');
    await engine.end('SIGKILL');
    engine.spawn();
    for (const item of [1, 2, 3]) (await lab.attempt(chunk, `item-${item}`)).finish(`then ${item}`);
    expect(await run.ended(id)).toMatchObject({ status: 'completed' });
    expect(stepOf(await run.get(id), 'each').output).toEqual(['first', 'then 1', 'then 2', 'then 3']);
    expect(outline(await run.events(chunk), 'StepCompleted').toSorted()).toEqual(
      list(4).map((item) => `StepCompleted item-${item}`),
    );
    expect(outline(await run.events(id), 'MapChunkEnded')).toEqual(['MapChunkEnded each']);
  });

  it('name the items that failed, and a retry works on those only', async () => {
    const id = await run.start('held', { input: { list: ['a', 'b', 'c'] } });
    await eventually(async () => (await chunksOf(id)).length === 1, PATIENT);
    const [chunk = ''] = await chunksOf(id);
    (await lab.attempt(chunk, 'item-0')).finish('A');
    (await lab.attempt(chunk, 'item-1')).fail('no_luck');
    const failed = await run.ended(id);
    expect(failed.failure).toMatchObject({ code: 'items_failed', step_id: 'each' });
    expect(failed.failure?.summary).toContain('1 of 3 items failed, and at most 0 may: item 1 (no_luck)');
    expect(await mapOf(id)).toMatchObject({
      failed: 1,
      failed_items: [{ index: 1, code: 'no_luck', execution_id: chunk }],
    });
    expect(await run.command(id, 'retry')).toMatchObject({ http: 200 });
    (await lab.attempt(chunk, 'item-1', 2)).finish('B');
    const third = await lab.attempt(chunk, 'item-2');
    third.finish('C');
    expect(await run.ended(id)).toMatchObject({ status: 'completed' });
    expect(stepOf(await run.get(id), 'each').output).toEqual(['A', 'B', 'C']);
    expect(lab.held.filter(({ executionId, stepId }) => executionId === chunk && stepId === 'item-0')).toHaveLength(1);
  });

  it('may have a config for each item, and a cancel reaches all of them', async () => {
    await run.save({ name: 'one', strategy: 'sequential', steps: [{ id: 'ask', name: 'Ask', agent: 'held' }] });
    await save('configs', { step: { orchestration: { config: 'one' } } });
    const id = await run.start('configs', { input: { list: [{ n: 1 }, { n: 2 }] } });
    await eventually(async () => (await chunksOf(id)).length === 1, PATIENT);
    const [chunk = ''] = await chunksOf(id);
    await eventually(async () => (await chunksOf(chunk)).length === 2, PATIENT);
    const children = await chunksOf(chunk);
    const second = await lab.attempt(children[1] ?? '', 'ask');
    expect(second.input).toEqual({ n: 2 });
    expect(await run.command(id, 'cancel', {})).toMatchObject({ http: 200 });
    for (const each of [chunk, ...children]) {
      await eventually(async () => (await run.get(each)).status === 'cancelled', PATIENT);
    }
  });

  it('pause and resume with their execution', async () => {
    const id = await run.start('held', { input: { list: list(3) } });
    await eventually(async () => (await chunksOf(id)).length === 1, PATIENT);
    const [chunk = ''] = await chunksOf(id);
    const first = await lab.attempt(chunk, 'item-0');
    const second = await lab.attempt(chunk, 'item-1');
    expect(await run.command(id, 'pause', {})).toMatchObject({ http: 200 });
    await eventually(async () => (await run.get(chunk)).status === 'paused', PATIENT);
    first.finish(0);
    second.finish(1);
    expect(await run.command(id, 'resume')).toMatchObject({ http: 200 });
    (await lab.attempt(chunk, 'item-2')).finish(2);
    expect(await run.ended(id)).toMatchObject({ status: 'completed' });
    expect(stepOf(await run.get(id), 'each').output).toEqual([0, 1, 2]);
  });

  it('are refused at saving with the name that was meant, and fail clearly without a list', async () => {
    const answer = await api.post<{ errors: { path: string; code: string; message: string }[] }>(
      '/api/v1/orchestrations/configs',
      {
        name: 'wrong',
        strategy: 'sequential',
        steps: [
          { id: 's', name: 'S', map: { items: '{% input.list %}', step: { agent: 'echo', input: '{% itm %}' } } },
        ],
      },
    );
    expectStatus(answer, 400);
    expect(answer.body.errors).toMatchObject([{ path: '/steps/0/map/step/input', code: 'unknown_reference' }]);
    expect(answer.body.errors[0]?.message).toContain('did you mean "item"?');
    const failed = await run.ended(await run.start('echoes', { input: { list: 'no list' } }));
    expect(failed.failure).toMatchObject({ code: 'items_invalid' });
    const empty = await run.ended(await run.start('echoes', { input: { list: [] } }));
    expect(empty).toMatchObject({ status: 'completed', output: [] });
  });
});
