import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import { expectStatus } from '../support/api.js';
import type { Api } from '../support/api.js';
import { Cluster } from '../support/cluster.js';
import { Lab } from '../support/lab.js';
import { Orchestrations, outline, stepOf } from '../support/orchestration.js';

const held = (id: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({
  id,
  name: id,
  agent: 'held',
  ...more,
});
const child = (id: string, rules: Record<string, unknown>, more: Record<string, unknown> = {}) => ({
  id,
  name: id,
  orchestration: rules,
  ...more,
});
const PATIENT = { timeoutMs: 60_000 };

describe('executions that are steps of others, through the gateway', () => {
  let cluster: Cluster;
  let lab: Lab;
  let api: Api;
  let run: Orchestrations;

  beforeAll(async () => {
    cluster = await Cluster.start({ env: { BATUTA_EXECUTION_SNAPSHOT_EVENTS: '5' } });
    api = cluster.api();
    run = new Orchestrations(api);
    lab = await Lab.start(cluster);
    await run.save({ name: 'part', strategy: 'sequential', steps: [held('a'), held('b', { dependencies: ['a'] })] });
    await run.save({
      name: 'whole',
      strategy: 'sequential',
      steps: [child('part', { config: 'part' }, { input: { n: '{% input.n %}' } })],
    });
  }, 300_000);

  afterAll(async () => {
    await lab?.stop();
    await cluster?.stop();
  }, 300_000);

  /** Waits until the child of a step exists. */
  const childOf = async (id: string, step = 'part'): Promise<string> => {
    let found = '';
    await eventually(async () => {
      const { child: shown } = stepOf(await run.get(id), step);
      found = shown?.execution_id ?? '';
      return shown?.status === 'running';
    }, PATIENT);
    return found;
  };
  const hasStatus = (id: string, status: string): Promise<unknown> =>
    eventually(async () => (await run.get(id)).status === status, PATIENT);

  it('give their output to their step, and name their parent, in views and in lists', async () => {
    const id = await run.start('whole', { input: { n: 7 }, priority: 'high', session_id: 's-1' });
    const part = await childOf(id);
    expect(await run.get(part)).toMatchObject({
      input: { n: 7 },
      priority: 'high',
      session_id: 's-1',
      config_name: 'part',
      parent: { execution_id: id, step_id: 'part', depth: 1 },
    });
    const list = (await api.client.executions.list({ session_id: 's-1' })).executions.find(
      ({ id: listed }) => listed === part,
    );
    expect(list).toMatchObject({ id: part, parent_id: id });
    (await lab.attempt(part, 'a')).finish({ v: 1 });
    (await lab.attempt(part, 'b')).finish({ v: 2 });
    expect(await run.ended(id)).toMatchObject({
      status: 'completed',
      output: { v: 2 },
      children: [{ step_id: 'part', execution_id: part, status: 'completed', config: 'part', config_version: 1 }],
    });
    expect(outline(await run.events(id), 'ChildRequested', 'ChildStarted', 'ChildEnded', 'StepCompleted')).toEqual([
      'ChildRequested part',
      'ChildStarted part',
      'ChildEnded part',
      'StepCompleted part',
    ]);
  });

  it('are paused and resumed with their parent', async () => {
    const id = await run.start('whole');
    const part = await childOf(id);
    const a = await lab.attempt(part, 'a');
    expect(await run.command(id, 'pause', { reason: 'lunch' })).toMatchObject({ http: 200 });
    await hasStatus(part, 'paused');
    expect(await run.get(part)).toMatchObject({ pause_reason: 'lunch' });
    a.finish({});
    expect(await run.command(id, 'resume')).toMatchObject({ http: 200 });
    (await lab.attempt(part, 'b')).finish({ done: true });
    expect(await run.ended(id)).toMatchObject({ status: 'completed', output: { done: true } });
  });

  it.each([
    ['cancel', undefined, 'cancelled'],
    ['terminate', 'terminate', 'cancelled'],
    ['cancel', 'abandon', 'running'],
  ])('after %s of the parent, with on_parent_close %s, are %s', async (command, way, status) => {
    const name = `closes-${command}-${way ?? 'default'}`;
    await run.save({
      name,
      strategy: 'sequential',
      steps: [child('part', { config: 'part', ...(way === undefined ? {} : { on_parent_close: way }) })],
    });
    const id = await run.start(name);
    const part = await childOf(id);
    const a = await lab.attempt(part, 'a');
    expect(await run.command(id, command, { reason: 'enough' })).toMatchObject({ http: 200 });
    if (status === 'cancelled') {
      await hasStatus(part, 'cancelled');
    } else {
      a.finish({});
      (await lab.attempt(part, 'b')).finish({ alone: true });
      expect(await run.ended(part)).toMatchObject({ status: 'completed', output: { alone: true } });
    }
    expect(await run.get(id)).toMatchObject({ status: 'cancelled', children: [{ execution_id: part, closed: true }] });
  });

  it('are named in the failure of their step, and continue in a retry of the parent', async () => {
    const id = await run.start('whole');
    const part = await childOf(id);
    (await lab.attempt(part, 'a')).finish({ v: 1 });
    (await lab.attempt(part, 'b')).fail('no_luck');
    const failed = await run.ended(id);
    expect(failed.failure).toMatchObject({
      code: 'child_failed',
      summary: expect.stringContaining(
        `Step "part" failed (child_failed): execution ${part} of config part failed (no_luck)`,
      ) as unknown,
    });
    expect(await run.command(id, 'retry')).toMatchObject({ http: 200 });
    // Step a is done, so only b runs again.
    (await lab.attempt(part, 'b', 2)).finish({ v: 3 });
    expect(await run.ended(id)).toMatchObject({
      status: 'completed',
      output: { v: 3 },
      children: [{ execution_id: part }],
    });
    expect(outline(await run.events(part), 'StepScheduled')).toEqual([
      'StepScheduled a',
      'StepScheduled b',
      'StepScheduled b',
    ]);
    const events = await run.events(part);
    expect(
      events.filter(({ type }) => type === 'ParentCommanded').map(({ data }) => (data as { command: string }).command),
    ).toEqual(['retry']);
  });

  it('start again in a retry when they were deleted', async () => {
    const id = await run.start('whole');
    const part = await childOf(id);
    (await lab.attempt(part, 'a')).fail('no_luck');
    await run.ended(id);
    expectStatus(await api.call('DELETE', `/api/v1/orchestrations/executions/${part}`), 200);
    expect(await run.command(id, 'retry')).toMatchObject({ http: 200 });
    let second = '';
    await eventually(async () => {
      const { child: shown } = stepOf(await run.get(id), 'part');
      second = shown?.execution_id ?? '';
      return second !== part && shown?.status === 'running';
    }, PATIENT);
    (await lab.attempt(second, 'a')).finish({});
    (await lab.attempt(second, 'b')).finish({ again: true });
    expect(await run.ended(id)).toMatchObject({ status: 'completed', output: { again: true } });
  });

  it('are not started when their config is deleted or their input is invalid, which the step reports', async () => {
    const strict = {
      name: 'strict',
      strategy: 'sequential',
      input_schema: { type: 'object', required: ['n'] },
      steps: [held('x')],
    };
    await run.save(strict);
    await run.save({
      name: 'careless',
      strategy: 'sequential',
      steps: [child('s', { config: 'strict' }, { input: { m: 1 } })],
    });
    const misfit = await run.ended(await run.start('careless'));
    expect(misfit.failure).toMatchObject({ code: 'child_refused' });
    expect(misfit.failure?.message).toContain('input_invalid');
    expectStatus(await api.call('DELETE', '/api/v1/orchestrations/configs/strict'), 200);
    const gone = await run.ended(await run.start('careless'));
    expect(gone.failure?.message).toContain('cannot be started (not_found)');
  });

  it('are refused when the config is saved if no config has the name, with a suggestion', async () => {
    const answer = await api.post<{ errors: { path: string; code: string; message: string }[] }>(
      '/api/v1/orchestrations/configs',
      {
        name: 'wrong',
        strategy: 'sequential',
        steps: [child('s', { config: 'hwole' })],
      },
    );
    expectStatus(answer, 400);
    expect(answer.body.errors).toMatchObject([{ path: '/steps/0/orchestration/config', code: 'unknown_config' }]);
    expect(answer.body.errors[0]?.message).toContain('"whole"');
  });

  it('fail with a clear reason when a config starts itself without end', async () => {
    await run.save({ name: 'endless', strategy: 'sequential', steps: [child('again', { config: 'endless' })] });
    const execution = await run.ended(await run.start('endless'));
    expect(execution).toMatchObject({ status: 'failed', failure: { code: 'child_failed' } });
    let id = execution.id;
    let depth = 0;
    for (let current = execution; current.children?.[0] !== undefined; depth++) {
      id = current.children[0].execution_id;
      current = await run.get(id);
    }
    expect(depth).toBe(10);
    expect((await run.get(id)).failure).toMatchObject({ code: 'nested_too_deep' });
  });
});
