import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { operations } from '@batuta/contracts';
import type { ExecutionSummary, ListExecutionsReply, ListExecutionsRequest } from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import { TENANT, cancelRequest, executionId, startRequest } from './fixtures.js';
import { Platform } from './platform.js';

let platform: Platform;

beforeAll(async () => {
  platform = await Platform.start();
  await platform.execution('lists');
  platform.agent = (task) => (task.agent === 'fail' ? 'fail' : task.agent === 'delay' ? undefined : 'succeed');
  await platform.run();
});

afterAll(() => platform.end());

async function list(filters: Partial<ListExecutionsRequest> = {}): Promise<ExecutionSummary[]> {
  const reply = await platform.control.request<ListExecutionsReply>(operations.executions.list.subject, {
    tenantId: TENANT,
    ...filters,
  });
  return reply.executions;
}

async function start(config: string, sessionId?: string): Promise<string> {
  const id = executionId();
  const request = startRequest(id, config);
  const start = { ...request.start, ...(sessionId === undefined ? {} : { sessionId }) } as typeof request.start;
  expect(await platform.command({ ...request, ...(start === undefined ? {} : { start }) })).toMatchObject({
    accepted: { executionId: id },
  });
  return id;
}

const idsOf = (executions: readonly ExecutionSummary[]): string[] => executions.map(({ id }) => id);

describe('the list of executions', () => {
  it('shows why an execution failed, as its view does', async () => {
    const id = await start('retried');
    await eventually(async () => expect((await platform.get(id))?.status).toBe('failed'), { timeoutMs: 60_000 });
    await eventually(
      async () => {
        const [shown] = await list({ configName: 'retried' });
        expect(shown).toMatchObject({
          id,
          status: 'failed',
          failure: {
            code: 'agent_error',
            message: 'it broke',
            stepId: 'a',
            stepName: 'Retried',
            agent: 'fail',
            attempts: 3,
            summary: 'Step "a" failed after 3 attempts (agent_error): it broke',
          },
        });
        expect(shown).not.toHaveProperty('currentSteps');
        expect((await platform.get(id))?.failure).toEqual(shown?.failure);
      },
      { timeoutMs: 60_000 },
    );
    expect(idsOf(await list({ status: ['failed'] }))).toEqual([id]);
    expect(idsOf(await list({ status: ['failed', 'running'], configName: 'retried' }))).toEqual([id]);
    expect(await list({ status: ['completed', 'cancelled', 'paused'], configName: 'retried' })).toEqual([]);
  });

  it('shows why an execution failed while its step runs are not written yet', async () => {
    const holder = await platform.sql.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('LOCK TABLE execution.orchestration_step_runs IN EXCLUSIVE MODE');
      const id = await start('retried');
      await eventually(async () => expect((await platform.get(id))?.status).toBe('failed'), { timeoutMs: 60_000 });
      const { failure } = (await platform.get(id)) ?? {};
      expect(failure?.summary).toBe('Step "a" failed after 3 attempts (agent_error): it broke');
      const shown = (await list({ configName: 'retried' })).find((execution) => execution.id === id);
      expect(shown?.failure).toEqual(failure);
    } finally {
      await holder.query('ROLLBACK');
      holder.release();
    }
  });

  it('shows the steps under way, and those that wait for a human, of an execution that has not ended', async () => {
    const running = await start('long');
    const waiting = await start('gated');
    await eventually(
      async () => {
        const shown = new Map((await list()).map((execution) => [execution.id, execution]));
        const steps = shown.get(running)?.currentSteps ?? [];
        expect(steps).toHaveLength(5);
        expect(steps[0]).toEqual({
          stepId: 'l0',
          stepName: 'Long 0',
          agentId: 'delay',
          status: 'running',
          attempt: 1,
          awaitingApproval: false,
        });
        expect(shown.get(waiting)?.currentSteps).toMatchObject([{ stepId: 'gate', awaitingApproval: true }]);
      },
      { timeoutMs: 60_000 },
    );
    await platform.command(cancelRequest(running));
    const ended = (await list()).find(({ id }) => id === running);
    expect(ended).toMatchObject({ status: 'cancelled' });
    expect(ended).not.toHaveProperty('currentSteps');
  });

  it('finds those of a session, ended or not, page by page', async () => {
    const ids: string[] = [];
    for (const config of ['three', 'gated', 'three', 'gated', 'three']) ids.push(await start(config, 'my session'));
    await start('three', 'another');
    await eventually(
      async () =>
        expect(idsOf(await list({ sessionId: 'my session', status: ['completed'] }))).toEqual([ids[4], ids[2], ids[0]]),
      { timeoutMs: 60_000 },
    );
    const found: string[] = [];
    for (let cursor: string | undefined; ;) {
      const reply = await platform.control.request<ListExecutionsReply>(operations.executions.list.subject, {
        tenantId: TENANT,
        sessionId: 'my session',
        limit: 2,
        ...(cursor === undefined ? {} : { cursor }),
      });
      found.push(...idsOf(reply.executions));
      cursor = reply.nextCursor;
      if (cursor === undefined) break;
    }
    expect(found).toEqual(ids.toReversed());
    expect(await list({ sessionId: 'none' })).toEqual([]);
    const other = await platform.control.request<ListExecutionsReply>(operations.executions.list.subject, {
      tenantId: 'other',
      sessionId: 'my session',
    });
    expect(other.executions).toEqual([]);
  });
});
