import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseTraceparent, spanIds } from '@batuta/observability';
import { eventually } from '@batuta/testing';
import { executionId, startRequest } from './fixtures.js';
import { Platform } from './platform.js';

let platform: Platform;
const asked: string[] = [];

beforeAll(async () => {
  platform = await Platform.start();
  await platform.execution('one');
  await platform.run();
});

afterAll(() => platform.end());

describe('without tracing', () => {
  it('agents still get their place in the execution’s trace, and whether the caller records', async () => {
    for (const flags of ['01', '00']) {
      const id = executionId();
      asked.push(id);
      const request = startRequest(id, 'three');
      const traceparent = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-${flags}`;
      const start = request.start === undefined ? {} : { start: { ...request.start, traceparent } };
      await platform.command({ ...request, ...start });
      await eventually(async () => expect((await platform.get(id))?.status).toBe('completed'), { timeoutMs: 60_000 });
      const tasks = platform.tasks.filter((task) => task.executionId === id);
      expect(tasks.map((task) => task.stepId)).toEqual(['a', 'b', 'c']);
      for (const { stepId, attempt, traceparent: given } of tasks) {
        expect(given?.slice(-2)).toBe(flags);
        expect(parseTraceparent(given)).toEqual({
          traceId: request.start?.traceId,
          spanId: spanIds.run(stepId, attempt),
        });
      }
    }
  });

  it('no statement is sent for traces', async () => {
    expect(asked).toHaveLength(2);
    // Other projections have moved, so this one would have too.
    await eventually(
      async () => {
        const { rows } = await platform.sql.query<{ projection: string }>(
          'SELECT DISTINCT projection FROM execution.projection_cursors',
        );
        expect(rows).toEqual([{ projection: 'step_runs' }]);
      },
      { timeoutMs: 60_000 },
    );
  });
});
