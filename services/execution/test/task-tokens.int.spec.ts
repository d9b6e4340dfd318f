import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { AttemptCheckReply, Task } from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import { randomBytes } from 'node:crypto';
import { HmacTokens } from '../src/partitions/dispatch/task-tokens.js';
import { engineInMemory } from './engine-in-memory.js';
import type { TestEngine } from './engine-in-memory.js';
import { executionId, startRequest, success } from './fixtures.js';

const secret = randomBytes(32);

describe('reports on attempts', () => {
  let test: TestEngine;
  let reported: string[];
  beforeEach(async () => {
    test = await engineInMemory({ tokens: new HmacTokens(secret) });
    reported = [];
    Object.assign(test.bus, {
      taskReported: (key: string) => reported.push(`reported ${key}`),
      taskAnswered: (key: string) => reported.push(`answered ${key}`),
    });
  });
  afterEach(() => test.engine.stop());

  /** The first task of a new execution. */
  const running = async (): Promise<Task> => {
    const id = executionId();
    await test.bus.command(startRequest(id, 'three')).answer;
    return eventually(() => test.bus.tasks.find((task) => task.executionId === id) ?? false);
  };
  const types = async (id: string): Promise<string[]> =>
    (await test.store.readEvents(id, 1, 100)).map(({ type }) => type);

  it('are recorded with the token of the task', async () => {
    const task = await running();
    const asked = { executionId: task.executionId, stepId: task.stepId, attempt: task.attempt, token: task.token };
    const check = test.bus.ask<AttemptCheckReply>('check', task.executionId, asked);
    expect(await check.answer).toEqual({ wanted: true });
    const { answer } = test.bus.results(task.executionId, [success(task)]);
    expect((await answer).replies).toEqual([{ outcome: 'recorded' }]);
    expect(await types(task.executionId)).toContain('StepCompleted');
    expect(test.engine.counters.refusedReports).toBe(0);
  });

  it('are refused without it, with that of another attempt, step or execution, and with another key’s', async () => {
    const [task, other] = [await running(), await running()];
    const { token: _own, ...bare } = task;
    const key = (stepId: string, attempt: number): string => `${task.executionId}/${stepId}/${attempt}`;
    const tokens = new HmacTokens(secret);
    const wrong = [
      undefined,
      '',
      other.token,
      tokens.of(key(task.stepId, 2)),
      tokens.of(key('b', 1)),
      new HmacTokens(randomBytes(32)).of(key(task.stepId, task.attempt)),
    ];
    for (const token of wrong) {
      const forged = token === undefined ? bare : { ...bare, token };
      const { answer } = test.bus.results(task.executionId, [success(forged)]);
      expect((await answer).replies).toEqual([{ outcome: 'unknown_execution' }]);
      const { executionId: id, stepId, attempt } = task;
      for (const kind of ['check', 'heartbeat'] as const) {
        const asked = { executionId: id, stepId, attempt, ...(token === undefined ? {} : { token }) };
        expect(await test.bus.ask<AttemptCheckReply>(kind, id, asked).answer).toEqual({
          wanted: false,
          reason: 'unknown_execution',
        });
      }
    }
    expect(test.engine.counters.refusedReports).toBe(wrong.length * 3);
    // Nor does the holder's slot count as free, or the task as settled.
    expect(reported).toEqual([]);
    expect(await types(task.executionId)).not.toContain('StepCompleted');
    const { answer } = test.bus.results(task.executionId, [success(task)]);
    expect((await answer).replies).toEqual([{ outcome: 'recorded' }]);
  });

  it('are judged one by one when they come together', async () => {
    const [one, two] = [await running(), await running()];
    const group = (await test.bus.results(one.executionId, [success(one), { ...success(one), token: two.token }])
      .answer) as { replies: unknown };
    expect(group.replies).toEqual([{ outcome: 'recorded' }, { outcome: 'unknown_execution' }]);
    expect(reported).toEqual([
      `reported ${one.executionId}/${one.stepId}/1`,
      `answered ${one.executionId}/${one.stepId}/1`,
    ]);
  });
});
