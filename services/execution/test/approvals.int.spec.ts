import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { encodeCursor, operations } from '@batuta/contracts';
import type { ListApprovalsReply, ListApprovalsRequest } from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import { rebuildReadModels, verifyExecutions } from '../src/index.js';
import type { Difference, RunningExecution } from '../src/index.js';
import { TENANT, cancelRequest, decisionRequest, executionId, startRequest } from './fixtures.js';
import { Platform } from './platform.js';

let platform: Platform;
let service: RunningExecution;

beforeAll(async () => {
  platform = await Platform.start();
  service = await platform.execution('one');
  await platform.run();
});

afterAll(async () => {
  await platform?.end();
});

const start = async (config: string, input = { amount: 5 }): Promise<string> => {
  const id = executionId();
  expect(await platform.command(startRequest(id, config, input))).toMatchObject({ accepted: {} });
  return id;
};

const list = (more: Partial<ListApprovalsRequest> = {}): Promise<ListApprovalsReply> =>
  platform.control.request<ListApprovalsReply>(operations.executions.approvals.subject, { tenantId: TENANT, ...more });

/** Waits until the projection shows exactly these executions as waiting. */
const listed = (ids: readonly string[], more: Partial<ListApprovalsRequest> = {}): Promise<ListApprovalsReply> =>
  eventually(
    async () => {
      const reply = await list(more);
      expect(reply.approvals.map((each) => each.executionId)).toEqual(ids);
      return reply;
    },
    { timeoutMs: 60_000 },
  );

const asked = (id: string): Promise<unknown> =>
  eventually(async () => (await platform.get(id))?.steps[0]?.approval?.status === 'waiting', { timeoutMs: 60_000 });

const ended = (id: string, status: string): Promise<unknown> =>
  eventually(async () => (await platform.get(id))?.status === status, { timeoutMs: 60_000 });

const verify = async (): Promise<Difference[]> => {
  const found: Difference[] = [];
  await verifyExecutions(platform.database.url, 'all', (difference) => found.push(difference));
  return found;
};

describe('an approval', () => {
  it('is evaluated, asked for, listed while it waits, and taken once', async () => {
    const id = await start('gated', { amount: 7 });
    await asked(id);
    const { approvals } = await listed([id]);
    expect(approvals).toMatchObject([
      { stepId: 'gate', stepName: 'Gate', configName: 'gated', message: 'Pay 7?', status: 'running' },
    ]);
    const [{ requestedAt, deadlineAt, approvers } = { requestedAt: 0 }] = approvals;
    expect(deadlineAt).toBe(requestedAt + 600_000);
    expect(approvers).toEqual(['user-1', 'user-2']);
    expect((await platform.get(id))?.steps[0]?.approval).toMatchObject({
      message: 'Pay 7?',
      input: { amount: 7 },
      requestedAt,
      deadlineAt,
    });
    const code = async (request: Parameters<Platform['command']>[0]): Promise<string | undefined> =>
      (await platform.command(request)).rejected?.code;
    expect(await code(decisionRequest(id, 'gate', true, { userId: 'eve' }))).toBe('not_an_approver');
    expect(await code(decisionRequest(id, 'pay', true))).toBe('not_awaiting_approval');
    expect(await code(decisionRequest(id, 'nothing', true))).toBe('step_not_found');
    const decision = decisionRequest(id, 'gate', true, { userId: 'user-2', comment: 'fine', data: { to: 'bank' } });
    expect(await platform.command(decision)).toMatchObject({ accepted: { executionId: id } });
    expect(await platform.command(decision)).toMatchObject({ accepted: { repeated: true } });
    await ended(id, 'completed');
    expect(await code(decisionRequest(id, 'gate', false))).toBe('already_completed');
    expect((await platform.get(id))?.steps[0]).toMatchObject({
      status: 'completed',
      output: { approved: true, by: 'user-2', comment: 'fine', data: { to: 'bank' } },
      approval: { status: 'approved', decidedBy: 'user-2' },
    });
    await listed([]);
  });

  it('has one outcome when many decide at once', async () => {
    const id = await start('gated');
    await asked(id);
    const replies = await Promise.all(
      Array.from({ length: 12 }, (_, place) => platform.command(decisionRequest(id, 'gate', place % 2 === 0))),
    );
    expect(replies.filter(({ accepted }) => accepted !== undefined)).toHaveLength(1);
    const codes = new Set(replies.flatMap(({ rejected }) => rejected?.code ?? []));
    expect(
      [...codes].filter((code) => !['already_decided', 'already_failed', 'already_completed'].includes(code)),
    ).toEqual([]);
    const events = await platform.events(id);
    expect(events.filter(({ type }) => type === 'ApprovalDecided')).toHaveLength(1);
    await platform.command(cancelRequest(id));
  });

  it('times out at its deadline after the service was restarted', async () => {
    const id = await start('hasty');
    await asked(id);
    await platform.stop(service);
    service = await platform.execution('two');
    await ended(id, 'failed');
    const execution = await platform.get(id);
    expect(execution?.failure).toMatchObject({ code: 'approval_timeout' });
    const decided = (await platform.events(id)).find(({ type }) => type === 'ApprovalDecided');
    expect(decided?.at).toBeGreaterThanOrEqual(execution?.steps[0]?.approval?.deadlineAt ?? Infinity);
  });

  it('refuses a request that does not fit', async () => {
    const id = await start('gated');
    await asked(id);
    const request = decisionRequest(id, 'gate', true);
    const wrong = { ...request, decideApproval: { stepId: 'gate', approved: 'yes' } };
    expect(await platform.command(wrong as never)).toMatchObject({ rejected: { code: 'validation_failed' } });
    const large = decisionRequest(id, 'gate', true, { data: 'x'.repeat(1024 * 1024) });
    expect((await platform.command(large)).rejected?.message).toContain('1048576');
    await platform.command(cancelRequest(id));
    await listed([]);
  });
});

describe('the list of approvals', () => {
  it('is by tenant, oldest first, in pages, and can be narrowed', async () => {
    const ids: string[] = [];
    for (let count = 0; count < 5; count += 1) {
      ids.push(await start('gated'));
      await asked(ids.at(-1) ?? '');
    }
    await listed(ids);
    const pages: string[][] = [];
    let cursor: string | undefined;
    do {
      const page = await list({ limit: 2, ...(cursor === undefined ? {} : { cursor }) });
      pages.push(page.approvals.map(({ executionId: id }) => id));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(pages).toEqual([ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)]);
    const count = async (more: Partial<ListApprovalsRequest>): Promise<number> => (await list(more)).approvals.length;
    expect(await count({ tenantId: 'other' })).toBe(0);
    expect(await count({ approver: 'user-2' })).toBe(5);
    expect(await count({ approver: 'eve' })).toBe(0);
    expect(await count({ configName: 'gated' })).toBe(5);
    expect(await count({ configId: 'hasty' })).toBe(0);
    expect(await count({ executionId: ids[2] ?? '' })).toBe(1);
    expect(await count({ executionId: 'none' })).toBe(0);
    for (const cursor of ['x', encodeCursor('executions', `1.${ids[2] ?? ''}`)]) {
      expect(await list({ cursor })).toMatchObject({
        refused: { code: 'validation_failed', violations: [{ path: '/cursor', code: 'bad_cursor' }] },
      });
    }
  });

  it('is verified with the other read models, and rebuilt from the log', async () => {
    const before = await list();
    expect(before.approvals).toHaveLength(5);
    expect(await verify()).toEqual([]);
    const [first] = before.approvals;
    await platform.sql.query(
      `UPDATE execution.orchestration_step_runs SET approval_message = 'forged' WHERE execution_id = $1 AND step_id = 'gate'`,
      [first?.executionId],
    );
    expect(await verify()).toEqual([
      {
        executionId: first?.executionId,
        where: 'orchestration_step_runs',
        what: expect.stringContaining('/gate/approval_message'),
      },
    ]);
    await platform.sql.query('TRUNCATE execution.orchestration_step_runs');
    await rebuildReadModels(platform.database.url);
    expect(await list()).toEqual(before);
    expect(await verify()).toEqual([]);
  });

  it('has shorter pages where more would not fit in a message, and leaves nothing out', async () => {
    const ids: string[] = [];
    for (let count = 0; count < 35; count += 1) ids.push(await start('crowded'));
    const narrowed = { configName: 'crowded', limit: 200 };
    const found = new Set<string>();
    let shortest = 200;
    await eventually(
      async () => {
        found.clear();
        for (let cursor: string | undefined, more = true; more;) {
          const page = await list({ ...narrowed, ...(cursor === undefined ? {} : { cursor }) });
          for (const { executionId: id } of page.approvals) found.add(id);
          if (page.nextCursor !== undefined) shortest = Math.min(shortest, page.approvals.length);
          cursor = page.nextCursor;
          more = cursor !== undefined;
        }
        expect(found).toEqual(new Set(ids));
      },
      { timeoutMs: 60_000 },
    );
    expect(shortest).toBeLessThan(35);
    for (const id of ids) await platform.command(cancelRequest(id));
    await eventually(async () => expect((await list(narrowed)).approvals).toEqual([]), { timeoutMs: 60_000 });
  });

  it('forgets what was withdrawn by the end of its execution', async () => {
    const { approvals } = await list();
    expect(approvals).toHaveLength(5);
    for (const { executionId: id } of approvals) await platform.command(cancelRequest(id));
    await listed([]);
  });
});
