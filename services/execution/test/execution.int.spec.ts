import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { subjects, operations } from '@batuta/contracts';
import type { ListExecutionsReply, ReadLogReply, Task } from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import { rebuildReadModels } from '../src/index.js';
import type { RunningExecution } from '../src/index.js';
import { TENANT, cancelRequest, executionId, startRequest } from './fixtures.js';
import { CuttableProxy, Platform } from './platform.js';

let platform: Platform;
let service: RunningExecution;

beforeAll(async () => {
  platform = await Platform.start();
  service = await platform.execution('one');
  await platform.run();
});

afterAll(() => platform.end());

async function finished(id: string, status = 'completed'): Promise<void> {
  await eventually(async () => expect((await platform.get(id))?.status).toBe(status), { timeoutMs: 60_000 });
}

/** The first task of an execution. */
function dispatched(id: string): Promise<Task> {
  return eventually(() => platform.tasks.find((item) => item.executionId === id) ?? false, { timeoutMs: 60_000 });
}

async function startMany(count: number, config: string): Promise<string[]> {
  const ids = Array.from({ length: count }, () => executionId());
  await Promise.all(
    ids.map(async (id) => expect(await platform.command(startRequest(id, config))).toMatchObject({ accepted: {} })),
  );
  return ids;
}

describe('an execution', () => {
  it('runs its steps one after the other and keeps every event', async () => {
    const id = executionId();
    const request = startRequest(id, 'three', { question: 'why?\u0000' });
    // The sender repeated a command whose answer came too late. The repeat gets the current status.
    const status = expect.stringMatching(/^(running|completed)$/);
    expect(await platform.command(request)).toMatchObject({ accepted: { executionId: id, status } });
    await finished(id);
    const view = await platform.get(id);
    expect(view).toMatchObject({ version: 8, traceId: request.start?.traceId, configName: 'three' });
    expect(view?.input).toEqual({ question: 'why?\ufffd' });
    expect(view?.steps.map((step) => [step.stepId, step.status, step.attempt])).toEqual([
      ['a', 'completed', 1],
      ['b', 'completed', 1],
      ['c', 'completed', 1],
    ]);
    expect((await platform.events(id)).map((event) => event.type)).toEqual([
      'ExecutionStarted',
      'StepScheduled',
      'StepCompleted',
      'StepScheduled',
      'StepCompleted',
      'StepScheduled',
      'StepCompleted',
      'ExecutionCompleted',
    ]);
    expect(await platform.command(request)).toMatchObject({ accepted: { repeated: true, status: 'completed' } });
    const byTrace = await platform.control.request(operations.executions.get.subject, {
      tenantId: TENANT,
      traceId: view?.traceId,
    });
    expect(byTrace).toMatchObject({ execution: { id } });
    expect(
      await platform.control.request(operations.executions.get.subject, { tenantId: 'other', executionId: id }),
    ).toMatchObject({
      refused: { code: 'not_found' },
    });
    const versions = await platform.control.request(operations.engine.versions.subject, {
      executionIds: ['nonsense', id],
    });
    expect(versions).toEqual({ versions: [0, 8], ended: [false, true] });
    const many = Array.from({ length: 1_001 }, () => id);
    await expect(platform.control.request(operations.engine.starts.subject, { executionIds: many })).rejects.toThrow(
      'batuta.execution.query.starts failed',
    );
  });

  it('tries a failed attempt again after its backoff, and fails when attempts are spent', async () => {
    let failures = 0;
    platform.agent = (task) => (task.agent === 'fail' && failures++ < 2 ? 'fail' : 'succeed');
    const [id = ''] = await startMany(1, 'retried');
    await finished(id);
    expect((await platform.get(id))?.steps[0]).toMatchObject({ status: 'completed', attempt: 3, retryCount: 2 });
    platform.agent = (task) => (task.agent === 'fail' ? 'fail' : 'succeed');
    const [lost = ''] = await startMany(1, 'retried');
    await finished(lost, 'failed');
    expect((await platform.get(lost))?.failure).toMatchObject({ code: 'agent_error' });
  });

  it('stops at a cancel and takes no result after it', async () => {
    platform.agent = () => undefined;
    const [id = ''] = await startMany(1, 'three');
    const task = await dispatched(id);
    expect(await platform.command(cancelRequest(id))).toMatchObject({ accepted: { status: 'cancelled' } });
    platform.agent = () => 'succeed';
    expect((await platform.report(task, 'succeed')).replies).toEqual([{ outcome: 'stale' }]);
    const check = await platform.connection.request(
      subjects.check(task.partition),
      JSON.stringify({ executionId: id, stepId: task.stepId, attempt: 1 }),
      { timeout: 30_000 },
    );
    expect(check.json()).toMatchObject({ wanted: false });
  });

  it('is found in lists by page, and in the log by cursor', async () => {
    const ids = await startMany(5, 'three');
    for (const id of ids) await finished(id);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page: ListExecutionsReply = await platform.control.request(operations.executions.list.subject, {
        tenantId: TENANT,
        configName: 'three',
        status: ['completed'],
        limit: 2,
        ...(cursor === undefined ? {} : { cursor }),
      });
      seen.push(...page.executions.map((item) => item.id));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toEqual(expect.arrayContaining(ids));
    expect(await platform.control.request(operations.executions.list.subject, { tenantId: 'other' })).toEqual({
      executions: [],
    });
    expect(
      await platform.control.request(operations.executions.list.subject, { tenantId: TENANT, cursor: 'x' }),
    ).toMatchObject({
      refused: { code: 'validation_failed' },
    });
    const found = new Set<string>();
    for (let partition = 0; partition < 8; partition++) {
      for (let position = 0, more = true; more;) {
        const page: ReadLogReply = await platform.control.request(operations.engine.log.subject, {
          partition,
          afterPosition: position,
          limit: 2,
          types: ['ExecutionCompleted'],
        });
        for (const event of page.events) found.add(event.executionId);
        more = page.position > position;
        position = page.position;
      }
    }
    expect([...found]).toEqual(expect.arrayContaining(ids));
  });
});

describe('read models', () => {
  const snapshot = async (): Promise<unknown[][]> => {
    const executions = await platform.sql.query(
      `SELECT id, trace_id, config_id, config_name, status, input, output, user_id, session_id, tenant_id, started_at,
         completed_at, paused_at, created_at, metadata, total_latency_ms, estimated_cost, created_by, callback_url
       FROM execution.orchestration_executions ORDER BY id`,
    );
    const steps = await platform.sql.query(
      `SELECT id, execution_id, step_index, step_id, step_name, status, output, output_truncated, error_message,
         error_trace, dependencies, latency_ms, retry_count, token_count, estimated_cost, started_at, completed_at,
         agent_id, agent_version
       FROM execution.orchestration_step_runs ORDER BY execution_id, step_index`,
    );
    return [executions.rows, steps.rows];
  };

  it('are the same when they are rebuilt from the log', async () => {
    const [id = ''] = await startMany(1, 'wide');
    await finished(id);
    await eventually(async () => {
      const { rows } = await platform.sql.query<{ behind: number }>(
        `SELECT count(*)::int AS behind FROM execution.partitions p
         LEFT JOIN execution.projection_cursors c ON c.partition = p.id
         WHERE p.last_position > coalesce(c.position, 0)`,
      );
      expect(rows).toEqual([{ behind: 0 }]);
    });
    const before = await snapshot();
    expect(before[1]).toEqual(expect.arrayContaining([expect.objectContaining({ execution_id: id, step_id: 'join' })]));
    const { tenantId, traceId, configId, configName, userId } = (await platform.get(id))!;
    await platform.sql.query('TRUNCATE execution.orchestration_executions, execution.orchestration_step_runs');
    // The starts of executions are known during a rebuild too, so that notifications do not treat one as unknown.
    const executionIds = ['nonsense', id, executionId()];
    expect(await platform.control.request(operations.engine.starts.subject, { executionIds })).toEqual({
      starts: [{ executionId: id, tenantId, traceId, configId, configName, userId }],
    });
    await platform.sql.query(
      `INSERT INTO execution.unfinished_executions VALUES ($1, $2, $3, $4, $5, NULL, 'running', now())`,
      [id, tenantId, configId, configName, userId],
    );
    const { executions } = await rebuildReadModels(platform.database.url);
    expect(executions).toBe(before[0]?.length);
    const { rows: unfinished } = await platform.sql.query<{ id: string }>(
      'SELECT id FROM execution.unfinished_executions',
    );
    expect(unfinished.map((row) => row.id)).not.toContain(id);
    expect(await snapshot()).toEqual(before);
  });
});

describe('the work queue', () => {
  it('gets everything outstanding again when its stream was deleted', async () => {
    platform.agent = () => undefined;
    const ids = await startMany(10, 'three');
    await eventually(() => ids.every((id) => platform.tasks.some((task) => task.executionId === id)));
    platform.agent = () => 'succeed';
    await platform.connection.request('$JS.API.STREAM.DELETE.STEPS', '', { timeout: 30_000 });
    await eventually(async () => {
      const info = await platform.connection.request('$JS.API.STREAM.INFO.STEPS', '', { timeout: 30_000 });
      expect(info.json()).not.toHaveProperty('error');
    });
    await platform.run();
    for (const id of ids) await finished(id);
    expect(service.counters.redispatches).toBeGreaterThan(0);
    expect(await platform.logProblems()).toEqual([]);
  });

  it('gets a single task again that it lost', async () => {
    platform.agent = () => undefined;
    const [id = ''] = await startMany(1, 'three');
    const task = await dispatched(id);
    platform.agent = () => 'succeed';
    const subject = subjects.step('default', 'normal', task.agent, id, task.stepId);
    await platform.connection.request('$JS.API.STREAM.PURGE.STEPS', JSON.stringify({ filter: subject }), {
      timeout: 30_000,
    });
    await finished(id);
    expect(platform.tasks.some((item) => item.executionId === id && item.dispatch > 1 && item.checkFirst)).toBe(true);
  });
});

describe('a connection to PostgreSQL that is cut', () => {
  it.each(['after the server has the commit', 'before the server has it'])('%s loses nothing', async (moment) => {
    const other = await Platform.start();
    const proxy = await CuttableProxy.start(other.database.url);
    try {
      const cut = await other.execution('cut', { DATABASE_URL: proxy.url });
      await other.run();
      let cuts = 0;
      const commit = (bytes: Buffer): boolean => bytes.includes('StepCompleted') && cuts++ % 3 === 0 && cuts < 15;
      if (moment.startsWith('after')) proxy.cutAfter = commit;
      else proxy.cutBefore = commit;
      const ids = Array.from({ length: 10 }, () => executionId());
      await Promise.all(ids.map((id) => other.command(startRequest(id, 'three'))));
      await eventually(
        async () => {
          for (const id of ids) expect((await other.get(id))?.status).toBe('completed');
        },
        { timeoutMs: 60_000 },
      );
      expect(cut.counters.unknownCommits).toBeGreaterThan(0);
      expect(await other.logProblems()).toEqual([]);
    } finally {
      await other.end();
      await proxy.close();
    }
  });
});
