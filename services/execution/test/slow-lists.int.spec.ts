import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { operations } from '@batuta/contracts';
import type { ListExecutionsReply } from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import pg from 'pg';
import { TENANT, executionId, startRequest } from './fixtures.js';
import { Platform } from './platform.js';

/** How long each of the lists is waited for. */
const WAIT_MS = 15_000;

let platform: Platform;

beforeAll(async () => {
  platform = await Platform.start();
});

afterAll(() => platform?.end());

it('lists that are slow hold up nobody who asks for one execution, and PostgreSQL ends them when nobody waits any more', async () => {
  await platform.execution('one');
  const id = executionId();
  await platform.command(startRequest(id, 'three'));
  const { rows } = await platform.sql.query<{ trace_id: string }>(
    'SELECT trace_id FROM execution.orchestration_executions WHERE id = $1',
    [id],
  );
  const [{ trace_id: traceId } = { trace_id: '' }] = rows;
  const holder = new pg.Client({ connectionString: platform.database.url });
  await holder.connect();
  try {
    await holder.query('BEGIN');
    // What lists read, and what is found by its trace does not.
    await holder.query('LOCK TABLE execution.orchestration_step_runs IN ACCESS EXCLUSIVE MODE');
    let ended = 0;
    const lists = Array.from({ length: 8 }, () =>
      platform.control
        .request<ListExecutionsReply>(
          operations.executions.list.subject,
          { tenantId: TENANT, limit: 10 },
          { timeoutMs: WAIT_MS },
        )
        .catch((error: unknown) => error)
        .finally(() => (ended += 1)),
    );
    const active = async (): Promise<number> => {
      const { rows: found } = await platform.sql.query<{ lists: number }>(
        `SELECT count(*)::int AS lists FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'batuta-execution-lists' AND state = 'active'`,
      );
      return found[0]?.lists ?? 0;
    };
    await eventually(async () => expect(await active()).toBe(2));
    for (let time = 0; time < 10; time++) {
      const reply = await platform.control.request<{ execution?: { traceId: string } }>(
        operations.executions.get.subject,
        {
          tenantId: TENANT,
          traceId,
        },
      );
      expect(reply.execution?.traceId).toBe(traceId);
    }
    // Each was answered while the lists waited.
    expect(ended).toBe(0);
    await Promise.all(lists);
    // The lock is still held.
    await eventually(async () => expect(await active()).toBe(0), { timeoutMs: 120_000 });
  } finally {
    await holder.query('ROLLBACK');
    await holder.end();
  }
});
