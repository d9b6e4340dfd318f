import { describe, expect, test } from '@jest/globals';
import { compile, evolve, initialState, nextWake } from '../index.js';
import { config, scenario } from '../../../test/engine/scenario.js';
import type { Event } from '@batuta/contracts';

const chain = config('sequential', [{ id: 'a' }, { id: 'b', dependencies: ['a'] }]);
const ended = () => scenario(chain).start().ok('a').ok('b');

describe('delete', () => {
  test('leaves one event that says who, why, what it was and how many events there were', () => {
    const run = ended();
    const { version, completedAt, createdAt } = run.state;
    run.when({ type: 'DeleteExecution', by: 'ann', reason: 'asked to' });
    expect(run.lastEvents).toMatchObject([
      {
        type: 'ExecutionDeleted',
        data: { by: 'ann', reason: 'asked to', events: version, status: 'completed', createdAt, endedAt: completedAt },
      },
    ]);
    expect(JSON.stringify(run.lastEvents)).not.toContain('output');
    expect(run.effects).toEqual([{ type: 'lifecycle', event: 'ExecutionDeleted' }]);
    expect(nextWake(run.state)).toBeUndefined();
  });

  test('takes only an execution that has ended', () => {
    const run = scenario(chain).start();
    expect(run.when({ type: 'DeleteExecution' }).rejected).toEqual({
      code: 'not_ended',
      message: 'the execution is running: only one that has ended can be deleted',
    });
    run.when({ type: 'PauseExecution' });
    expect(run.when({ type: 'DeleteExecution' }).rejected?.code).toBe('not_ended');
    expect(run.when({ type: 'CancelExecution' }).when({ type: 'DeleteExecution' }).outcome).toBe('done');
  });

  test('of a version that something has happened to since is refused', () => {
    const run = scenario(chain).start().fails('a');
    const { version } = run.state;
    run.when({ type: 'RetryExecution' }).fails('a');
    expect(run.when({ type: 'DeleteExecution', ifVersion: version }).rejected?.code).toBe('version_conflict');
    expect(run.when({ type: 'DeleteExecution', ifVersion: run.state.version }).outcome).toBe('done');
  });

  test('is the end: everything that is asked of it later is told who deleted it', () => {
    const run = scenario(chain).start().fails('a');
    run.when({ type: 'DeleteExecution', id: '0190-delete', policy: 'old' });
    for (const type of ['RetryExecution', 'CompensateExecution', 'CancelExecution', 'DeleteExecution'] as const) {
      const { rejected } = run.when({ type });
      expect(rejected).toMatchObject({ code: 'execution_deleted', details: { policy: 'old', status: 'failed' } });
      expect(rejected?.message).toContain('by retention policy old');
    }
    expect(run.when({ type: 'DeleteExecution', id: '0190-delete' }).outcome).toBe('repeated');
    expect(run.ok('a').outcome).toBe('stale');
    expect(run.wakes(1e9).last).toEqual([]);
  });

  test('folds to the same answers when the events before it are gone, whatever its config was', () => {
    const run = ended().when({ type: 'DeleteExecution', by: 'ann' });
    const [deleted] = run.lastEvents;
    const { version, executionId, at } = run.state;
    const event = { ...deleted, executionId, version, at, commandId: 'c', partition: 0, position: 9 } as Event;
    const state = evolve(initialState(compile(config('parallel', [{ id: 'other' }]))), event);
    for (const field of ['executionId', 'version', 'status', 'createdAt', 'completedAt'] as const) {
      expect([field, state[field]]).toEqual([field, run.state[field]]);
    }
    expect(state.started?.tenantId).toBe(run.state.started?.tenantId);
    expect(state.deleted?.facts).toEqual(run.state.deleted?.facts);
  });
});
