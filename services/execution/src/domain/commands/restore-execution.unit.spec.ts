import { describe, expect, test } from '@jest/globals';
import { compile, evolve, initialState } from '../index.js';
import { decide } from '../decide.js';
import { view } from '../view/view.js';
import { config, scenario } from '../../../test/engine/scenario.js';
import type { Event } from '@batuta/contracts';

const chain = config('sequential', [{ id: 'a' }, { id: 'b', dependencies: ['a'] }]);
const archive = 'default/2030-01-31/0190b3a1-0000-7000-8000-000000000000.jsonl.gz';
const archived = () => scenario(chain).start().fails('a').when({ type: 'DeleteExecution', archive, policy: 'old' });

describe('restore', () => {
  test('makes an archived execution what it was, and says who asked for it and why', () => {
    const before = scenario(chain).start().fails('a').state;
    const run = archived().when({ type: 'RestoreExecution', by: 'ann', reason: 'audit' });
    const facts = { archive, events: before.version, endedVersion: before.version, by: 'ann', reason: 'audit' };
    expect(run.lastEvents).toMatchObject([{ type: 'ExecutionRestored', data: facts }]);
    const { restored, ...shown } = view(run.state);
    expect(restored).toMatchObject({ archive, by: 'ann', reason: 'audit' });
    expect({ ...shown, version: before.version }).toEqual(view(before));
    expect(run.state.deleted).toBeUndefined();
  });

  test('does not run anything again: all but a deletion is refused, and repeating it changes nothing', () => {
    const run = archived().when({ type: 'RestoreExecution', id: '0190-restore' });
    for (const type of ['RetryExecution', 'CompensateExecution', 'CancelExecution', 'PauseExecution'] as const) {
      expect(run.when({ type }).rejected?.code).toBe('execution_restored');
    }
    expect(run.ok('a').outcome).toBe('stale');
    expect(run.wakes(1e9).last).toEqual([]);
    expect(run.when({ type: 'RestoreExecution', id: '0190-restore' }).outcome).toBe('repeated');
    expect(run.when({ type: 'RestoreExecution' }).outcome).toBe('repeated');
    expect(run.when({ type: 'DeleteExecution', archive }).outcome).toBe('done');
    expect(run.when({ type: 'RetryExecution' }).rejected?.code).toBe('execution_deleted');
    const { events } = run.state.deleted?.facts ?? {};
    run.when({ type: 'RestoreExecution' });
    // The second time it still says where the execution itself had ended.
    expect(run.lastEvents).toMatchObject([{ data: { events, endedVersion: (events ?? 0) - 2 } }]);
  });

  test('is refused for what is not archived, and for what is deleted for good', () => {
    expect(scenario(chain).start().when({ type: 'RestoreExecution' }).rejected?.code).toBe('not_archived');
    const gone = scenario(chain).start().fails('a').when({ type: 'DeleteExecution' });
    expect(gone.when({ type: 'RestoreExecution' }).rejected?.code).toBe('execution_deleted');
  });

  test('waits for its events: from a tombstone alone nothing is restored', () => {
    const run = archived();
    const [deleted] = run.lastEvents;
    const { version, executionId, at } = run.state;
    const event = { ...deleted, executionId, version, at, commandId: 'c', partition: 0, position: 9 } as Event;
    const state = evolve(initialState(compile(chain)), event);
    const decision = decide({ type: 'RestoreExecution', id: '0190-restore', at, seed: 1 }, state);
    expect(decision).toMatchObject({ rejected: { code: 'unavailable' } });
  });
});
