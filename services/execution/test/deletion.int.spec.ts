import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { operations } from '@batuta/contracts';
import type { CommandReply, ExecutionIntegrity, Refusal, VerifyExecutionReply } from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import { rebuildReadModels, verifyExecutions } from '../src/index.js';
import type { Difference, RunningExecution } from '../src/index.js';
import { TENANT, executionId, startRequest } from './fixtures.js';
import { Platform } from './platform.js';

const SEED = randomBytes(32);
const PATIENCE = { timeoutMs: 30_000 };
/** A text in every payload of these executions. */
const MARK = 'only-in-the-payloads-of-what-is-deleted';

const SETTINGS = {
  BATUTA_EXECUTION_SEAL_KEYS: SEED.toString('base64'),
  BATUTA_EXECUTION_SEAL: '50ms',
  BATUTA_EXECUTION_SNAPSHOT_EVENTS: '5',
};

let platform: Platform;
let engine: RunningExecution;

beforeAll(async () => {
  platform = await Platform.start();
  engine = await platform.execution('one', SETTINGS);
  await platform.run();
});

afterAll(() => platform?.end());

const by = { tenantId: TENANT, userId: 'ann', role: 'admin', keyId: 'k' } as const;

async function finished(config = 'three'): Promise<string> {
  const id = executionId();
  const request = startRequest(id, config);
  const start = { ...request.start, input: { text: MARK } };
  expect(await platform.command({ ...request, start } as typeof request)).toMatchObject({ accepted: {} });
  await eventually(async () => (await platform.get(id))?.status === 'completed', PATIENCE);
  return id;
}

const remove = (id: string, more: object = {}): Promise<CommandReply> =>
  platform.command({
    commandId: executionId(),
    executionId: id,
    principal: by,
    deleteExecution: { reason: 'asked to', ...more },
  });

const ask = <Reply>(subject: string, id: string, more: object = {}): Promise<Reply> =>
  platform.control.request<Reply>(subject, { tenantId: TENANT, executionId: id, ...more });

const rows = async (table: string, column: string, id: string): Promise<number> =>
  (await platform.sql.query(`SELECT FROM execution.${table} WHERE ${column} = $1`, [id])).rows.length;

const removed = (id: string): Promise<unknown> =>
  eventually(async () => (await rows('orchestration_executions', 'id', id)) === 0, PATIENCE);

async function verify(id: string): Promise<ExecutionIntegrity> {
  const { integrity } = await ask<VerifyExecutionReply>(operations.executions.verify.subject, id);
  if (integrity === undefined) throw new Error('nothing was verified');
  return integrity;
}

async function differences(which = 'all'): Promise<Difference[]> {
  const found: Difference[] = [];
  await verifyExecutions(platform.database.url, which, (difference) => found.push(difference), [SEED]);
  return found;
}

const READS = [
  [operations.executions.get.subject, {}],
  [operations.executions.get.subject, { atVersion: 1 }],
  [operations.executions.step.subject, { stepId: 'a' }],
  [operations.executions.events.subject, {}],
  [operations.executions.output.subject, { payload: 'output' }],
  [operations.executions.output.subject, { payload: 'event', atVersion: 1 }],
  [operations.executions.export.subject, {}],
] as const;

describe('a deleted execution', () => {
  it('is told at once to be deleted, and then nothing of it is stored but that', async () => {
    const id = await finished();
    const before = (await platform.events(id)).length;
    const traceId = (await platform.get(id))?.traceId;
    expect(await remove(id)).toMatchObject({ accepted: { executionId: id, version: before + 1 } });
    const told = async (): Promise<void> => {
      for (const [subject, more] of READS) {
        const { refused } = await ask<{ refused?: Refusal }>(subject, id, more);
        expect([subject, refused?.code]).toEqual([subject, 'execution_deleted']);
        expect(refused?.details).toMatchObject({ by: 'ann', reason: 'asked to', events: before, status: 'completed' });
      }
      const other = await ask<{ refused?: Refusal }>(operations.executions.get.subject, id, {
        tenantId: 'somebody-else',
      });
      expect(other.refused?.code).toBe('not_found');
      const list = await platform.control.request<{ executions: { id: string }[]; total: number }>(
        operations.executions.list.subject,
        { tenantId: TENANT, withTotal: true },
      );
      expect(list.executions.map((each) => each.id)).not.toContain(id);
      expect(list.total).toBe(list.executions.length);
    };
    await told();
    await removed(id);
    await told();
    const byTrace = await platform.control.request<{ refused?: Refusal }>(operations.executions.get.subject, {
      tenantId: TENANT,
      traceId,
    });
    expect(byTrace.refused?.code).toBe('execution_deleted');
    for (const [table, column] of [
      ['orchestration_step_runs', 'execution_id'],
      ['snapshots', 'execution_id'],
      ['unprojected_executions', 'execution_id'],
    ] as const) {
      expect([table, await rows(table, column, id)]).toEqual([table, 0]);
    }
    expect(await rows('events', 'execution_id', id)).toBe(1);
    const { rows: text } = await platform.sql.query<{ n: string }>(
      `SELECT count(*) AS n FROM execution.events e WHERE e::text LIKE '%' || $1 || '%' AND execution_id = $2`,
      [MARK, id],
    );
    expect(Number(text[0]?.n)).toBe(0);
  });

  it('can be started anew by nobody, and nothing can be done to it', async () => {
    const id = await finished();
    await remove(id);
    await removed(id);
    for (let round = 0; round < 2; round += 1) {
      for (const command of [startRequest(id, 'three'), { ...startRequest(id, 'wide'), commandId: 'another' }]) {
        expect((await platform.command(command)).rejected?.code).toBe('execution_deleted');
      }
      for (const command of [{ retry: {} }, { cancel: {} }, { compensate: {} }, { deleteExecution: {} }]) {
        const reply = await platform.command({ commandId: executionId(), executionId: id, principal: by, ...command });
        expect(reply.rejected).toMatchObject({ code: 'execution_deleted', details: { by: 'ann' } });
      }
      // As if it had started so long ago that this owner has forgotten its end.
      for (let n = 0; n < 3; n += 1) await finished('unmonitored');
    }
    const fork = startRequest(executionId(), 'three');
    const start = { ...fork.start, fork: { executionId: id, fromStepId: 'b' } };
    expect((await platform.command({ ...fork, start } as typeof fork)).rejected?.code).toBe('execution_deleted');
  });

  it('verifies, before and after it is removed, and so does everything around it', async () => {
    const [first, id, last] = [await finished(), await finished(), await finished()];
    await eventually(async () => (await verify(id)).anchor.status === 'signed', PATIENCE);
    await remove(id);
    await removed(id);
    await eventually(async () => (await verify(id)).anchor.status === 'signed', PATIENCE);
    const { intact, deleted, problems, events } = await verify(id);
    expect({ intact, problems, events }).toEqual({ intact: true, problems: [], events: 1 });
    expect(deleted).toMatchObject({ by: 'ann', reason: 'asked to' });
    for (const each of [first, last]) expect((await verify(each)).intact).toBe(true);
    expect(await differences()).toEqual([]);
    await rebuildReadModels(platform.database.url);
    expect(await differences()).toEqual([]);
    expect(await rows('orchestration_executions', 'id', id)).toBe(0);
  });

  it('is detected when somebody has changed the rest of its rows, or a link that was kept', async () => {
    const id = await finished();
    await remove(id);
    await removed(id);
    await eventually(async () => (await verify(id)).anchor.status === 'signed', PATIENCE);
    await platform.sql.query(
      `UPDATE execution.events SET data = jsonb_set(data, '{by}', '"eve"') WHERE execution_id = $1`,
      [id],
    );
    expect((await verify(id)).problems).toMatchObject([{ kind: 'changed' }]);
    expect(await differences(id)).toMatchObject([{ where: 'chain' }]);
    await platform.sql.query(
      `UPDATE execution.events SET data = jsonb_set(data, '{by}', '"ann"') WHERE execution_id = $1`,
      [id],
    );
    expect(await differences()).toEqual([]);
    await platform.sql.query(`UPDATE execution.removed_links SET link = sha256('x') WHERE last_of = $1`, [id]);
    expect((await verify(id)).intact).toBe(false);
    expect((await differences()).map(({ where }) => where)).toContain('checkpoint');
    await platform.sql.query('DELETE FROM execution.removed_links WHERE last_of = $1', [id]);
    expect((await differences()).map(({ where }) => where)).toContain('checkpoint');
  });
});

describe('deletions', () => {
  it('are refused of what has not ended, and of a version that is not the newest', async () => {
    const id = executionId();
    await platform.command(startRequest(id, 'lonely'));
    expect((await remove(id)).rejected?.code).toBe('not_ended');
    const other = await finished();
    expect((await remove(other, { ifVersion: 1 })).rejected?.code).toBe('version_conflict');
    expect((await remove(executionId())).rejected?.code).toBe('not_found');
  });

  it('that an engine did not get to before it ended are completed by the next one', async () => {
    const id = await finished();
    expect(await remove(id)).toMatchObject({ accepted: {} });
    await platform.stop(engine);
    expect(await rows('orchestration_executions', 'id', id)).toBe(1);
    expect(await rows('orchestration_step_runs', 'execution_id', id)).toBe(3);
    engine = await platform.execution('two', SETTINGS);
    const { refused } = await ask<{ refused?: Refusal }>(operations.executions.get.subject, id);
    expect(refused?.code).toBe('execution_deleted');
    // Nothing that the previous owner sent may arrive after it.
    await eventually(async () => expect(await rows('orchestration_executions', 'id', id)).toBe(0), {
      timeoutMs: 90_000,
    });
    expect(await rows('orchestration_step_runs', 'execution_id', id)).toBe(0);
    expect(await differences(id)).toEqual([]);
  });
});
