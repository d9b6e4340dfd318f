import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type {
  OrchestrationDefinition,
  ProcessBody,
  ProcessRun,
  TaskBody,
  WorkflowBody,
  WorkflowRun,
} from '@batuta/client';
import { eventually } from '@batuta/testing';
import { expectStatus } from '../support/api.js';
import type { Api } from '../support/api.js';
import { ROOT } from '../support/command.js';
import { LocalPlatform } from '../support/local-platform.js';
import { Orchestrations } from '../support/orchestration.js';

const PATIENT = { timeoutMs: 120_000 };
const example = <T>(name: string): T =>
  JSON.parse(readFileSync(join(ROOT, 'examples/processes', `${name}.json`), 'utf8')) as T;

describe('tasks, workflows and processes, over REST and the client', () => {
  let platform: LocalPlatform;
  let api: Api;
  let run: Orchestrations;

  beforeAll(async () => {
    platform = await LocalPlatform.start();
    api = platform.admin();
    run = new Orchestrations(api);
    for (const name of ['config-system-design', 'config-code-generation']) {
      await api.client.configs.create(example<OrchestrationDefinition>(name));
    }
    await run.save({
      name: 'gate',
      strategy: 'sequential',
      steps: [{ id: 'open', name: 'Open', signal: { name: 'go' } }],
    });
  }, 300_000);

  afterAll(() => platform?.stop(), 300_000);

  const workflowRun = (id: string, runId: string, status: string): Promise<WorkflowRun> =>
    eventually(async () => {
      const found = await api.client.workflows.run(id, runId);
      return found.status === status && found;
    }, PATIENT);
  const processRun = (id: string, runId: string, status: string): Promise<ProcessRun> =>
    eventually(async () => {
      const found = await api.client.processes.run(id, runId);
      return found.status === status && found;
    }, PATIENT);
  /** The execution of a step that is one of config `gate`, once it is there. */
  const gateOf = (found: () => PromiseLike<ProcessRun | WorkflowRun>): Promise<string> =>
    eventually(async () => {
      const shown = await found();
      const entries = 'steps' in shown ? shown.steps : shown.tasks;
      return entries[0]?.execution_id ?? false;
    }, PATIENT);
  const open = async (gate: string): Promise<void> => {
    await eventually(async () => (await run.command(gate, 'signals/go', { payload: 1 })).http === 200, PATIENT);
  };
  const process = (id: string, type: string, more: Partial<ProcessBody> = {}): ProcessBody => ({
    id,
    steps: [{ id: 'only', type: 'task', task_data: { type } }],
    ...more,
  });

  it('run the workflow of the source document: each task in its turn, with its result', async () => {
    const made = await api.client.workflows.create(example<WorkflowBody>('workflow'));
    expect(made).toMatchObject({ name: 'Gerar Sistema WPF', status: 'PENDING', version: 1, last_run: null });
    expect(made.tasks).toMatchObject(example<WorkflowBody>('workflow').tasks);
    const started = await api.client.workflows.start(made.id);
    const done = await workflowRun(made.id, started.id, 'COMPLETED');
    expect(done.tasks).toMatchObject([
      { id: 'task_1', type: 'system_design', status: 'completed', output: { pattern: 'MVVM' } },
      { id: 'task_2', type: 'code_generation', status: 'completed', output: { template: 'wpf_main' } },
    ]);
    expect((await api.client.workflows.runs('Gerar Sistema WPF')).runs).toMatchObject([{ id: started.id }]);
    expect(await api.client.workflows.get(made.id)).toMatchObject({
      status: 'COMPLETED',
      last_run: { id: started.id },
    });
  }, 300_000);

  it('run the task of the source document once, however often it is scheduled', async () => {
    const body = example<TaskBody>('task');
    const answers = await Promise.all([api.client.tasks.create(body), api.client.tasks.create(body)]);
    expect(answers.filter(({ repeated }) => repeated === true)).toHaveLength(1);
    const done = await eventually(async () => {
      const task = await api.client.tasks.get('generate_view');
      return task.status === 'COMPLETED' && task;
    }, PATIENT);
    expect(done).toMatchObject({
      task_id: 'generate_view',
      priority: 1,
      queue: 'high',
      task_data: body.task_data,
      output: { template: 'wpf_view', params: { name: 'MainWindow' } },
    });
    const again = await api.post('/api/v1/tasks', { ...body, priority: 2 });
    expect([again.status, again.body]).toMatchObject([
      422,
      { code: 'idempotency_mismatch', detail: expect.stringMatching(/^There is a task "generate_view" already/) },
    ]);
    expect(JSON.stringify(again.body)).not.toMatch(/idempotency key/i);
    // Its type is a config, whose execution has the attempts.
    expect(done).not.toHaveProperty('attempts');
    expect(done.child).toMatchObject({ config: 'code_generation', status: 'completed' });
    const execution = await api.client.executions.get(done.child?.execution_id ?? '');
    expect(execution).toMatchObject({ config_name: 'code_generation', status: 'completed' });
    expect((await api.client.tasks.list()).tasks.map(({ task_id: id }) => id)).toEqual(['generate_view']);
  }, 300_000);

  it('run the process of the source document after the one that it depends on', async () => {
    await api.client.workflows.create(example<WorkflowBody>('needed-workflow'));
    const early = await api.post('/api/v1/processes', example<ProcessBody>('process'));
    expect([early.status, early.body]).toMatchObject([
      400,
      { errors: [{ path: '/dependencies/0', code: 'unknown_dependency' }] },
    ]);
    await api.client.processes.create(example<ProcessBody>('needed-process'));
    const made = await api.client.processes.create(example<ProcessBody>('process'));
    expect(made).toMatchObject({ id: 'create_wpf_app', after: [{ process: 'setup_environment', on: 'success' }] });
    // It is started first: it waits for a run that nobody has started.
    const started = await api.client.processes.start('create_wpf_app');
    expect(started).toMatchObject({ status: 'PENDING', waits_for: [{ process: 'setup_environment' }] });
    await eventually(async () => {
      const { pending_reason: why } = await api.client.processes.run('create_wpf_app', started.id);
      return why === 'waits for process setup_environment, which has not been started';
    }, PATIENT);
    await api.client.processes.start('setup_environment');
    const done = await processRun('create_wpf_app', started.id, 'COMPLETED');
    expect(done.steps).toMatchObject([
      { id: 'design', type: 'System Design', status: 'completed' },
      { id: 'generate', type: 'code_generation', status: 'completed' },
    ]);
    expect(done.waits_for).toMatchObject([{ process: 'setup_environment', state: 'met' }]);
    // The newest run of what it depends on has completed: another run waits for nothing.
    const second = await api.client.processes.start('create_wpf_app');
    expect(second.id).not.toBe(started.id);
    await processRun('create_wpf_app', second.id, 'COMPLETED');
    expect((await api.client.processes.runs('create_wpf_app')).runs.map(({ id }) => id)).toEqual([
      second.id,
      started.id,
    ]);
  }, 300_000);

  // Elsewhere what depended on a failed run was skipped or stuck for ever, also after that run had been mended.
  it('fail clearly when a dependency fails, and go on from the failed step after both are run again', async () => {
    await api.client.processes.create(process('first_part', 'gate'));
    await api.client.processes.create(process('second_part', 'echo', { dependencies: ['first_part'] }));
    const first = await api.client.processes.start('first_part');
    const second = await api.client.processes.start('second_part');
    await api.client.executions.terminate(await gateOf(() => api.client.processes.run('first_part', first.id)));
    await processRun('first_part', first.id, 'FAILED');
    const failed = await processRun('second_part', second.id, 'FAILED');
    expect(failed.failure).toMatchObject({ code: 'dependency_failed', details: { process: 'first_part' } });
    await api.client.processes.retry('first_part');
    const waiting = await api.client.processes.retry('second_part');
    expect(waiting).toMatchObject({ id: second.id, status: 'PENDING' });
    const gate = await eventually(async () => {
      const { steps } = await api.client.processes.run('first_part', first.id);
      return steps[0]?.status === 'running' && (steps[0].execution_id ?? false);
    }, PATIENT);
    await open(gate);
    await processRun('second_part', second.id, 'COMPLETED');
  }, 300_000);

  it('can be cancelled while they wait', async () => {
    await api.client.processes.create(process('never', 'gate'));
    await api.client.processes.create(process('waits', 'echo', { after: [{ process: 'never', on: 'finished' }] }));
    const { id } = await api.client.processes.start('waits');
    expect(await api.client.processes.cancel('waits', { reason: 'not needed' })).toMatchObject({
      status: 'FAILED',
      execution_status: 'cancelled',
    });
    expect(await api.client.processes.run('waits', id)).toMatchObject({ execution_status: 'cancelled' });
  }, 300_000);

  it('refuse circles, processes that others wait for, and what is not there, with the place', async () => {
    await api.client.processes.create(process('circle_a', 'echo'));
    await api.client.processes.create(process('circle_b', 'echo', { dependencies: ['circle_a'] }));
    await api.client.processes.create(process('circle_c', 'echo', { dependencies: ['circle_b'] }));
    const put = (id: string, more: Partial<ProcessBody>) =>
      api.call('PUT', `/api/v1/processes/${id}`, process(id, 'echo', more));
    const circle = await put('circle_a', { after: [{ process: 'circle_c' }] });
    expect([circle.status, circle.body]).toMatchObject([
      400,
      {
        errors: [{ path: '/after/0/process', code: 'cycle', message: expect.stringContaining('circle_a → circle_c') }],
      },
    ]);
    const own = await put('circle_a', { dependencies: ['circle_a'] });
    expect(own.body).toMatchObject({ errors: [{ path: '/dependencies/0', code: 'self_dependency' }] });
    const gone = await api.call('DELETE', '/api/v1/processes/circle_a');
    expect([gone.status, gone.body['code']]).toEqual([409, 'conflict']);
    const type = await api.post('/api/v1/workflows', { name: 'wrong', tasks: [{ type: 'ecko', config: { a: 1 } }] });
    expect(type.body).toMatchObject({
      errors: [{ path: '/tasks/0/type', code: 'unknown_agent', message: expect.stringContaining('echo') }],
    });
    // Each of them was looked up twice, one after the other.
    const types = Array.from({ length: 101 }, (_, n) => ({ type: `unknown_${n}` }));
    const many = await api.post('/api/v1/workflows', { name: 'many', tasks: types });
    expect([many.status, many.body]).toMatchObject([400, { errors: [{ path: '/tasks', code: 'too_many' }] }]);
    // Two changes at once that would make a circle together: one of them is refused.
    await api.client.processes.create(process('pair_a', 'echo'));
    await api.client.processes.create(process('pair_b', 'echo'));
    const both = await Promise.all([
      put('pair_a', { dependencies: ['pair_b'] }),
      put('pair_b', { dependencies: ['pair_a'] }),
    ]);
    expect(both.map(({ status }) => status).toSorted()).toEqual([200, 400]);
  }, 300_000);

  it('never wait for each other, also when their dependencies change between their starts', async () => {
    const put = (id: string, more: Partial<ProcessBody> = {}) =>
      api.client.processes.update(id, process(id, 'echo', more));
    await api.client.processes.create(process('turn_a', 'echo'));
    await api.client.processes.create(process('turn_b', 'echo', { dependencies: ['turn_a'] }));
    await api.client.processes.create(process('turn_c', 'echo', { dependencies: ['turn_b'] }));
    const held = await api.client.processes.start('turn_b');
    await api.client.processes.start('turn_c');
    await put('turn_b');
    for (const waits of ['turn_b', 'turn_c']) {
      await put('turn_a', { dependencies: [waits] });
      const refused = await api.post('/api/v1/processes/turn_a/start', {});
      expect([refused.status, refused.body['code']]).toEqual([409, 'conflict']);
    }
    await api.client.processes.cancel('turn_b');
    await put('turn_a');
    await api.client.processes.start('turn_a');
    expect(await api.client.processes.run('turn_b', held.id)).toMatchObject({ execution_status: 'cancelled' });
  }, 300_000);

  it('pause and resume a workflow, and go on after a failure when it says so', async () => {
    const held = await api.client.workflows.create({ name: 'held', tasks: [{ type: 'gate' }, { type: 'echo' }] });
    const { id } = await api.client.workflows.start(held.id);
    const gate = await gateOf(() => api.client.workflows.run(held.id, id));
    expect(await api.client.workflows.pause('held')).toMatchObject({ id, status: 'PAUSED' });
    expect(await api.client.workflows.get('held')).toMatchObject({ status: 'PAUSED' });
    expect(await api.client.workflows.resume('held')).toMatchObject({ id, status: 'RUNNING' });
    await open(gate);
    await workflowRun(held.id, id, 'COMPLETED');
    const refused = await api.post('/api/v1/workflows/held/pause', {});
    expect([refused.status, refused.body['code']]).toEqual([409, 'not_running']);

    const tasks = [{ type: 'fail', config: { retryable: false } }, { type: 'echo' }];
    for (const [name, goesOn] of [
      ['stops', false],
      ['goes on', true],
    ] as const) {
      await api.client.workflows.create({ name, tasks, config: { continue_on_error: goesOn } });
      const started = await api.client.workflows.start(name);
      const ended = await workflowRun(name, started.id, goesOn ? 'COMPLETED' : 'FAILED');
      expect(ended.tasks.map(({ status }) => status)).toEqual(['failed', goesOn ? 'completed' : 'skipped']);
    }
  }, 300_000);

  it('change, list and delete workflows, whose configs nobody else changes', async () => {
    const made = await api.client.workflows.create({ name: 'changing', tasks: [{ type: 'echo' }] });
    const changed = await api.client.workflows.update('changing', {
      name: 'changing',
      tasks: [{ id: 'one', type: 'echo', config: { n: 1 }, timeout_ms: 5_000 }],
    });
    expect(changed).toMatchObject({
      id: made.id,
      version: 2,
      tasks: [{ id: 'one', config: { n: 1 }, timeout_ms: 5_000 }],
    });
    expect((await api.client.workflows.list()).workflows.map(({ name }) => name)).toContain('changing');
    const config = await api.get<OrchestrationDefinition>(`/api/v1/orchestrations/configs/${made.id}`);
    expect(config.body.name).toBe('workflow:changing');
    const byHand = await api.call('PUT', `/api/v1/orchestrations/configs/${made.id}`, config.body);
    expect([byHand.status, byHand.body['code']]).toEqual([409, 'conflict']);
    const forged = await api.post('/api/v1/orchestrations/configs', { ...config.body, name: 'workflow:forged' });
    expect(forged.body).toMatchObject({
      errors: [
        { path: '/metadata/batuta', code: 'reserved_name' },
        { path: '/name', code: 'reserved_name' },
      ],
    });
    // A config of such a name took the tasks of its agent over.
    const own = { strategy: 'sequential', steps: [{ id: 'a', name: 'A', agent: 'echo' }] };
    const saved = await api.post<{ id: string }>('/api/v1/orchestrations/configs', { ...own, name: 'mine' });
    for (const name of ['task:double', 'workflow:mine', 'process:mine', 'agent/mine']) {
      const made = await api.post('/api/v1/orchestrations/configs', { ...own, name });
      const renamed = await api.call('PUT', `/api/v1/orchestrations/configs/${saved.body.id}`, { ...own, name });
      for (const { status, body } of [made, renamed]) {
        expect([status, body]).toMatchObject([400, { errors: [{ path: '/name', code: 'reserved_name' }] }]);
      }
    }
    const marked = { ...own, name: 'marked', metadata: { batuta: { kept_for: '' } } };
    const refused = await api.post('/api/v1/orchestrations/configs', marked);
    expect(refused.body).toMatchObject({ errors: [{ path: '/metadata/batuta', code: 'reserved_name' }] });
    await api.client.workflows.delete('changing');
    expectStatus(await api.get(`/api/v1/workflows/${made.id}`), 404);
  }, 300_000);

  it('move, and cancel, a task that has not begun', async () => {
    const task_data = { type: 'echo', say: 'later' };
    const later = { task_id: 'later', task_data, scheduled_time: '2035-01-01T00:00:00Z', priority: 9 };
    expect(await api.client.tasks.create(later)).toMatchObject({ status: 'PENDING', queue: 'low' });
    expect(await api.client.tasks.reschedule('later', { scheduled_time: '2036-01-01T00:00:00Z' })).toMatchObject({
      status: 'PENDING',
      scheduled_time: '2036-01-01T00:00:00.000Z',
    });
    await api.client.tasks.reschedule('later', { scheduled_time: '2020-01-01T00:00:00Z' });
    const done = await eventually(async () => {
      const task = await api.client.tasks.get('later');
      return task.status === 'COMPLETED' && task;
    }, PATIENT);
    expect(done.attempts).toMatchObject([{ attempt: 1 }]);
    const moved = await api.post('/api/v1/tasks/later/reschedule', { scheduled_time: '2036-01-01T00:00:00Z' });
    expect(moved.status).toBe(409);
    await api.client.tasks.create({ ...later, task_id: 'not needed' });
    expect(await api.client.tasks.cancel('not needed')).toMatchObject({ execution_status: 'cancelled' });
    expectStatus(await api.get('/api/v1/tasks/unknown'), 404);
  }, 300_000);

  // Whole views of 50 tasks with inputs of 1 MB, asked for ten times at once, ended the platform.
  it('are listed without their large inputs and outputs, which have a link', async () => {
    const pad = 'x'.repeat(900_000);
    const ids = Array.from({ length: 9 }, (_, n) => `large ${n}`);
    for (const task_id of ids) {
      const scheduled_time = '2035-01-01T00:00:00Z';
      expectStatus(await api.post('/api/v1/tasks', { task_id, task_data: { type: 'echo', pad }, scheduled_time }), 202);
    }
    expectStatus(await api.post('/api/v1/tasks', { task_id: 'small', task_data: { type: 'echo', say: 'hi' } }), 202);
    const pages = await Promise.all(Array.from({ length: 10 }, () => api.client.tasks.list({ limit: 10 })));
    for (const page of pages) {
      expect(JSON.stringify(page).length).toBeLessThan(100_000);
      expect(page.tasks.map(({ task_id: id }) => id)).toEqual(['small', ...ids.toReversed()]);
    }
    expect(pages[0]?.tasks[0]).toMatchObject({ task_data: { type: 'echo', say: 'hi' } });
    expect(pages[0]?.tasks[0]).not.toHaveProperty('task_data_omitted');
    const href = '/api/v1/tasks/large%208';
    expect(pages[0]?.tasks[1]).toMatchObject({ task_data: { type: 'echo' }, task_data_omitted: { href } });
    const whole = await api.get<{ task_data: { pad: string } }>(href);
    expect(whole.body.task_data.pad).toHaveLength(pad.length);
    // Page after page, each is there once.
    const found: string[] = [];
    for (let cursor: string | null | undefined; cursor !== null && found.length < 10;) {
      const page = await api.client.tasks.list({ limit: 3, ...(cursor === undefined ? {} : { cursor }) });
      found.push(...page.tasks.map(({ task_id: id }) => id));
      cursor = page.next_cursor;
    }
    expect(found.slice(0, 10)).toEqual(['small', ...ids.toReversed()]);
    await Promise.all(ids.map((id) => api.client.tasks.cancel(id)));

    const made = await api.client.workflows.create({ name: 'large', tasks: [{ type: 'echo', config: { pad } }] });
    const { id } = await api.client.workflows.start(made.id);
    await workflowRun(made.id, id, 'COMPLETED');
    const [listed] = (await api.client.workflows.runs(made.id)).runs;
    expect(JSON.stringify(listed).length).toBeLessThan(10_000);
    expect(listed).toMatchObject({
      output: null,
      output_omitted: { href: `/api/v1/workflows/${made.id}/runs/${id}` },
      tasks: [{ output: null, output_omitted: { bytes: expect.any(Number) } }],
    });
  }, 300_000);

  it('belong to their tenant', async () => {
    const other = await platform.user('elsewhere', 'admin');
    expectStatus(await other.get('/api/v1/processes/create_wpf_app'), 404);
    expectStatus(await other.get('/api/v1/tasks/generate_view'), 404);
    expect((await other.client.workflows.list()).workflows).toEqual([]);
    const waits = await other.post(
      '/api/v1/processes',
      process('mine', 'echo', { dependencies: ['setup_environment'] }),
    );
    expect(waits.body).toMatchObject({ errors: [{ path: '/dependencies/0', code: 'unknown_dependency' }] });
  }, 300_000);
});
