import { describe, expect, it } from '@jest/globals';
import { ExecutionViewSchema } from './generated/batuta/execution/v1/queries_pb.js';
import type { Event } from './events.js';
import { eventToUserJson, toUserJson } from './user-json.js';

describe('the form for users', () => {
  it('renames fields to snake_case, also in nested messages', () => {
    const shown = toUserJson(ExecutionViewSchema, {
      traceId: 'a'.repeat(32),
      steps: [{ stepId: 'one', outputKey: 'first', failure: { code: 'timeout', message: 'm', retryable: true } }],
    });
    expect(shown).toEqual({
      trace_id: 'a'.repeat(32),
      steps: [{ step_id: 'one', output_key: 'first', failure: { code: 'timeout', message: 'm', retryable: true } }],
    });
  });

  it("does not change the user's own documents, whatever their keys look like", () => {
    const input = { stepId: 1, createdAt: 5, nested: [{ outputKey: null }] };
    expect(toUserJson(ExecutionViewSchema, { input, metadata: { startedAt: 7 } })).toEqual({
      input,
      metadata: { startedAt: 7 },
    });
  });

  it('shows times as RFC 3339 and an unset time as null', () => {
    expect(toUserJson(ExecutionViewSchema, { createdAt: 1_700_000_000_123, completedAt: 0 })).toEqual({
      created_at: '2023-11-14T22:13:20.123Z',
      completed_at: null,
    });
  });

  it('drops fields that the contract does not know', () => {
    expect(toUserJson(ExecutionViewSchema, { id: 'x', secretInternals: 1 })).toEqual({ id: 'x' });
  });

  it('shows an event without its place in the partition', () => {
    expect(
      eventToUserJson({
        executionId: 'e',
        version: 3,
        at: 1_700_000_000_000,
        commandId: 'c',
        position: 9,
        partition: 1,
        type: 'StepSkipped',
        data: { stepId: 's', reason: 'aborted' },
      }),
    ).toEqual({
      execution_id: 'e',
      version: 3,
      type: 'StepSkipped',
      at: '2023-11-14T22:13:20.000Z',
      data: { step_id: 's', reason: 'aborted' },
    });
  });

  it('does not show the place of a failure in an agent’s code', () => {
    const failure = { code: 'agent_error', message: 'm', retryable: false, trace: 'at agent.ts:7' };
    expect(toUserJson(ExecutionViewSchema, { failure, steps: [{ stepId: 's', failure }] })).toEqual({
      failure: { code: 'agent_error', message: 'm', retryable: false },
      steps: [{ step_id: 's', failure: { code: 'agent_error', message: 'm', retryable: false } }],
    });
  });

  it('shows an event of an unknown type without its data', () => {
    const event = {
      executionId: 'e',
      version: 1,
      at: 0,
      type: 'FromTheFuture',
      data: { inner: 1 },
    } as unknown as Event;
    expect(eventToUserJson(event)).toMatchObject({ version: 1, type: 'FromTheFuture', data: {} });
  });
});
