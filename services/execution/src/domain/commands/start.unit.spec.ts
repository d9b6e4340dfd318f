import { describe, expect, test } from '@jest/globals';
import { config, event, NOON, scenario } from '../../../test/engine/scenario.js';

const one = config('sequential', [{ id: 'a' }]);
const MONTH = 30 * 24 * 3600 * 1000;

describe('starting', () => {
  test('given nothing, when a start, then started with its deadline and the first step scheduled', () => {
    const run = scenario(one).start({ x: 1 }, { sessionId: 's', requestHash: 'h1', metadata: { team: 'ops' } });
    expect(run.lastEvents).toEqual([
      event('ExecutionStarted', {
        tenantId: 'default',
        traceId: 'ab'.repeat(16),
        configId: 'config-1',
        configName: 'test',
        configVersion: 1,
        userId: 'alice',
        createdBy: 'alice',
        deadlineAt: NOON + MONTH,
        input: { x: 1 },
        sessionId: 's',
        metadata: { team: 'ops' },
        requestHash: 'h1',
      }),
      event('StepScheduled', { stepId: 'a', attempt: 1 }),
    ]);
    expect(run.effects).toEqual([
      { type: 'lifecycle', event: 'ExecutionStarted' },
      { type: 'dispatch', stepId: 'a', attempt: 1 },
    ]);
  });

  test('the same request again is a repeat, also under another command id; another request is refused', () => {
    const run = scenario(one).start({ x: 1 }, { requestHash: 'h1' });
    expect(run.start({ x: 1 }, { requestHash: 'h1' }).outcome).toBe('repeated');
    expect(run.last).toEqual([]);
    expect(run.start({ x: 2 }, { requestHash: 'h2' }).rejected?.code).toBe('idempotency_mismatch');
  });

  test('an input over the limit is refused before anything is recorded', () => {
    expect(scenario(one).start('x'.repeat(1024 * 1024)).rejected?.code).toBe('payload_too_large');
  });

  test('start_at keeps an execution pending until then, and its deadline counts from then', () => {
    const definition = { ...one, settings: { timeout_ms: 1000, priority: 'high' as const } };
    const run = scenario(definition).start({}, { startAt: NOON + 5000 });
    expect(run.last).toEqual(['ExecutionStarted']);
    expect(run.lastEvents[0]?.data).toMatchObject({ deadlineAt: NOON + 6000, priority: 'high', startAt: NOON + 5000 });
    expect(run.status).toBe('pending');
    expect(run.wakes(4999).last).toEqual([]);
    expect(run.wakes(1).last).toEqual(['StepScheduled a #1']);
    expect(run.status).toBe('running');
  });

  test('commands to an execution that does not exist find nothing', () => {
    expect(scenario(one).when({ type: 'CancelExecution' }).rejected?.code).toBe('not_found');
    expect(scenario(one).ok('a', 1, 1).outcome).toBe('unknown');
    expect(scenario(one).wakes().outcome).toBe('unknown');
  });
});
