import { describe, expect, it } from '@jest/globals';
import type { ExecutionView } from '@batuta/contracts';
import { statusOfView } from './result.js';

const VIEW = {
  id: '01936f2e-5b7a-7cc0-98c8-3f6a1d2b4e5f',
  traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
  status: 'running',
  input: { secret: 1 },
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
  ],
} as unknown as ExecutionView;

describe('the status of an execution', () => {
  it('shows what waits and who decided, and no payload of steps or approvals', () => {
    const status = statusOfView(VIEW);
    expect(status['steps']).toEqual([
      {
        step_index: 0,
        step_id: 'gate',
        status: 'running',
        approval: {
          status: 'approved',
          message: 'Pay?',
          requested_at: '2025-01-31T12:00:00.000Z',
          decided_by: 'ada',
        },
      },
      { step_index: 1, step_id: 'pay', status: 'pending' },
    ]);
    expect(JSON.stringify(status)).not.toContain('secret');
  });
});
