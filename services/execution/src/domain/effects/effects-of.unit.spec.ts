import { describe, expect, it } from '@jest/globals';
import type { Event, EventData, EventType } from '@batuta/contracts';
import { compile, effectsOf, evolve, initialState } from '../index.js';

const config = compile({
  name: 'one',
  strategy: 'sequential',
  steps: [
    { id: 'a', name: 'A', agent: 'echo', on_failure: 'continue' },
    { id: 'b', name: 'B', agent: 'echo' },
  ],
});

function after(...events: readonly { [T in EventType]: { type: T; data: EventData[T] } }[EventType][]) {
  let state = initialState(config);
  let last: Event | undefined;
  events.forEach((event, index) => {
    last = {
      ...event,
      executionId: 'e',
      version: index + 1,
      at: 1_000 + index,
      commandId: 'c',
      position: index + 1,
      partition: 0,
    } as Event;
    state = evolve(state, last);
  });
  if (last === undefined) throw new Error('no event');
  return effectsOf(last, state);
}

const started = {
  type: 'ExecutionStarted',
  data: {
    tenantId: 't',
    traceId: '0'.repeat(32),
    configId: 'id',
    configName: 'one',
    configVersion: 1,
    userId: 'u',
    deadlineAt: 1e12,
  },
} as const;
const scheduled = { type: 'StepScheduled', data: { stepId: 'a', attempt: 1 } } as const;
const failure = { code: 'agent_error', message: 'no', retryable: false };

describe('the effects of an event', () => {
  it('dispatch a scheduled attempt', () => {
    expect(after(started, scheduled)).toEqual([{ type: 'dispatch', stepId: 'a', attempt: 1 }]);
  });

  it('wake those who follow executions when a step has failed, so that callbacks need not wait for their poll', () => {
    const attemptFailed = {
      type: 'StepAttemptFailed',
      data: { stepId: 'a', attempt: 1, failure, startedAt: 1, finishedAt: 2 },
    } as const;
    const failed = { type: 'StepFailed', data: { stepId: 'a', failure, handling: 'continue' } } as const;
    expect(after(started, scheduled, attemptFailed, failed)).toEqual([{ type: 'lifecycle', event: 'StepFailed' }]);
  });
});
