import { describe, expect, it } from '@jest/globals';
import type { ExecutionView } from '@batuta/contracts';
import { statusOfView } from './result.js';

const VIEW = {
  id: '01936f2e-5b7a-7cc0-98c8-3f6a1d2b4e5f',
  traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
  status: 'running',
  input: { asked: 1 },
  output: { told: 2 },
  totalLatencyMs: 12,
  tokenCount: 3,
  estimatedCost: 0.5,
  steps: [
    {
      stepIndex: 0,
      stepId: 'gate',
      status: 'running',
      output: { approved: true, data: { secret: 2 } },
      approval: {
        status: 'approved',
        message: 'Pay?',
        input: { secret: 3 },
        data: { secret: 4 },
        requestedAt: 1_738_324_800_000,
        decidedBy: 'ada',
      },
    },
    { stepIndex: 1, stepId: 'pay', status: 'pending' },
    {
      stepIndex: 2,
      stepId: 'tell',
      status: 'failed',
      latencyMs: 7,
      failure: { code: 'gone', message: 'nobody there', retryable: false },
    },
  ],
} as unknown as ExecutionView;

describe('the status of an execution', () => {
  it('shows waiting steps and deciders, but no payloads of steps or approvals', () => {
    const status = statusOfView(VIEW);
    expect(status['steps']).toEqual([
      {
        step_index: 0,
        step_id: 'gate',
        status: 'running',
        latency_ms: null,
        error: null,
        approval: {
          status: 'approved',
          message: 'Pay?',
          requested_at: '2025-01-31T12:00:00.000Z',
          decided_by: 'ada',
        },
      },
      { step_index: 1, step_id: 'pay', status: 'pending', latency_ms: null, error: null },
      {
        step_index: 2,
        step_id: 'tell',
        status: 'failed',
        latency_ms: 7,
        failure: { code: 'gone', message: 'nobody there', retryable: false },
        error: 'nobody there',
      },
    ]);
    expect(status).toMatchObject({
      input: { asked: 1 },
      output: { told: 2 },
      metrics: { latency_ms: 12, cost: 0.5, tokens: 3 },
    });
    expect(JSON.stringify(status)).not.toContain('secret');
  });
});
