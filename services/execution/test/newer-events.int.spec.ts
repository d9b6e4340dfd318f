import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { exposeMetrics } from '@batuta/observability';
import { eventually } from '@batuta/testing';
import { executionId, startRequest } from './fixtures.js';
import { Platform, logger } from './platform.js';

let platform: Platform;

beforeEach(async () => {
  platform = await Platform.start();
});

afterEach(async () => {
  jest.restoreAllMocks();
  await platform?.end();
});

const stepRuns = async (id: string): Promise<string[]> => {
  const { rows } = await platform.sql.query<{ status: string }>(
    'SELECT status FROM execution.orchestration_step_runs WHERE execution_id = $1 ORDER BY step_index',
    [id],
  );
  return rows.map(({ status }) => status);
};

const lastEventType = async (id: string, from: string, to: string): Promise<void> => {
  const { rowCount } = await platform.sql.query(
    `UPDATE execution.events SET type = $3 WHERE execution_id = $1 AND type = $2
     AND version = (SELECT max(version) FROM execution.events WHERE execution_id = $1)`,
    [id, from, to],
  );
  expect(rowCount).toBe(1);
};

it('an event of a newer version stops its own execution and nothing else, until a process knows it', async () => {
  // One partition, so that a stop would affect both.
  const env = { BATUTA_EXECUTION_PARTITIONS: '1' };
  const [newer, other] = [executionId(), executionId()];
  let engine = await platform.execution('one', env);
  for (const id of [newer, other]) await platform.command(startRequest(id, 'three'), 1);
  await platform.stop(engine);
  const { rows } = await platform.sql.query<{ type: string }>(
    'SELECT type FROM execution.events WHERE execution_id = $1 ORDER BY version DESC LIMIT 1',
    [newer],
  );
  const { type = '' } = rows[0] ?? {};
  await lastEventType(newer, type, 'StepDreamtOf');
  // As if the newer version's process was killed before it projected its commits.
  await platform.sql.query('DELETE FROM execution.orchestration_step_runs');
  await platform.sql.query('DELETE FROM execution.projection_cursors');
  await platform.sql.query('UPDATE execution.partitions SET published_position = 0');

  const told = jest.spyOn(logger, 'error');
  engine = await platform.execution('one', env);
  await platform.run();
  await eventually(async () => expect((await platform.events(other)).at(-1)?.type).toBe('ExecutionCompleted'), {
    timeoutMs: 60_000,
  });
  await eventually(async () => expect(await stepRuns(other)).toEqual(['completed', 'completed', 'completed']), {
    timeoutMs: 120_000,
  });
  // Later executions continue too.
  const later = executionId();
  await platform.command(startRequest(later, 'three'), 1);
  await eventually(async () => expect(await stepRuns(later)).toEqual(['completed', 'completed', 'completed']), {
    timeoutMs: 120_000,
  });
  expect(await stepRuns(newer)).toEqual([]);
  const { body } = await exposeMetrics();
  expect(body).toMatch(/^batuta_engine_unreadable_executions 1$/m);
  const lines = told.mock.calls.filter(([fields]) => (fields as { execution_id?: string }).execution_id === newer);
  expect(lines).toHaveLength(1);

  // A process that knows the event type takes over.
  await platform.stop(engine);
  await lastEventType(newer, 'StepDreamtOf', type);
  await platform.execution('one', env);
  await eventually(async () => expect(await stepRuns(newer)).toEqual(['completed', 'completed', 'completed']), {
    timeoutMs: 60_000,
  });
  const { rows: left } = await platform.sql.query('SELECT FROM execution.unprojected_executions');
  expect(left).toEqual([]);
  expect(await platform.logProblems()).toEqual([]);
});

it('what an engine writes down as a time to come is by PostgreSQL’s clock, though its machine is an hour ahead', async () => {
  const HOUR_MS = 3_600_000;
  const real = Date.now.bind(Date);
  jest.spyOn(Date, 'now').mockImplementation(() => real() + HOUR_MS);
  const told = jest.spyOn(logger, 'warn');
  await platform.execution('ahead');
  const { body } = await exposeMetrics();
  const [, skew] = /^batuta_engine_clock_skew_seconds ([\d.]+)$/m.exec(body) ?? [];
  // A busy machine may take long between two looks at a clock, but not half an hour.
  expect(Math.abs(Number(skew) - 3_600)).toBeLessThan(1_800);
  expect(told).toHaveBeenCalledWith(
    expect.objectContaining({ ms: expect.any(Number) }),
    'this machine’s clock differs from PostgreSQL’s, whose time is used',
  );
  const id = executionId(real());
  await platform.command(startRequest(id, 'three'));
  const { rows } = await platform.sql.query<{ at: number; wake: number; now: number }>(
    `SELECT (SELECT max(at) FROM execution.events WHERE execution_id = $1)::float8 AS at,
       (SELECT wake_at FROM execution.orchestration_executions WHERE id = $1)::float8 AS wake,
       extract(epoch FROM clock_timestamp())::float8 * 1000 AS now`,
    [id],
  );
  const { at = 0, wake = 0, now = 0 } = rows[0] ?? {};
  expect(Math.abs(at - now)).toBeLessThan(HOUR_MS / 2);
  expect(wake).toBeGreaterThan(now - HOUR_MS / 2);
  // Only the execution's own deadline is left.
  expect(wake - now).toBeLessThan(30 * 24 * HOUR_MS + 60_000);
});

it('another number of partitions than the first one is refused with a sentence, and none at all takes that one', async () => {
  await platform.stop(await platform.execution('one'));
  const failure = await platform
    .execution('one', { BATUTA_EXECUTION_PARTITIONS: '16' })
    .catch((error: unknown) => error);
  expect(failure).toMatchObject({ mistake: true });
  expect((failure as Error).message).toBe(
    'BATUTA_EXECUTION_PARTITIONS is 16, but this installation was made with 8 partitions, and their number cannot be changed: ' +
      'each execution is kept under its partition. Set it to 8, or leave it out.',
  );
  const engine = await platform.execution('one', { BATUTA_EXECUTION_PARTITIONS: '' });
  expect(engine.ownedPartitions()).toHaveLength(8);
});
