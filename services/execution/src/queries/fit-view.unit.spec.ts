import { describe, expect, it } from '@jest/globals';
import type { ExecutionView, StepView } from '@batuta/contracts';
import { fitStep, fitView } from './fit-view.js';

const step = (stepId: string, more: Partial<StepView>): StepView => ({
  stepIndex: 0,
  stepId,
  stepName: stepId,
  agentId: 'echo',
  status: 'completed',
  dependencies: [],
  attempt: 1,
  retryCount: 0,
  outputKey: stepId,
  ...more,
});

const viewOf = (steps: StepView[], more: Partial<ExecutionView> = {}): ExecutionView =>
  ({ id: 'x', status: 'completed', steps, ...more }) as ExecutionView;

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

describe('fitView', () => {
  it('gives a view that fits as it is', () => {
    const view = viewOf([step('a', { output: 'x'.repeat(1_000) })]);
    expect(fitView(view, bytesOf(view))).toBe(view);
  });

  it('leaves out the largest payloads first, with their bytes, and touches nothing of the view it was given', () => {
    const view = viewOf([
      step('small', { output: 'x'.repeat(1_000) }),
      step('large', { output: 'ü'.repeat(2_000) }),
      step('asked', {
        approval: {
          status: 'waiting',
          message: 'Pay?',
          requestedAt: 1,
          input: 'i'.repeat(3_000),
          data: 'd'.repeat(2_500),
        },
      }),
      step('failed', {
        status: 'failed',
        failure: { code: 'no', message: 'no', retryable: false, details: { text: 't'.repeat(5_000) } },
      }),
    ]);
    const before = structuredClone(view);
    const fitted = fitView(view, 3_000);
    expect(view).toEqual(before);
    expect(bytesOf(fitted)).toBeLessThanOrEqual(3_000);
    expect(fitted.steps[0]).toEqual(view.steps[0]);
    expect(fitted.steps[1]).toMatchObject({ outputOmitted: { bytes: 4_002 } });
    expect(fitted.steps[1]).not.toHaveProperty('output');
    expect(fitted.steps[2]?.approval).toMatchObject({ inputOmitted: { bytes: 3_002 }, dataOmitted: { bytes: 2_502 } });
    expect(fitted.steps[3]?.failure).toMatchObject({ code: 'no', details: { omitted_bytes: 5_011 } });
  });

  it('keeps a group’s outcome and leaves its output out', () => {
    const view = viewOf([], {
      consensus: [{ groupId: 'g', mode: 'quorum', status: 'completed', output: 'x'.repeat(9_000) }],
    });
    expect(fitView(view, 1_000).consensus).toEqual([
      { groupId: 'g', mode: 'quorum', status: 'completed', outputOmitted: { bytes: 9_002 } },
    ]);
  });

  it('leaves out the own output of a view with a larger one, for the whole of it is asked for anyway', () => {
    const fitted = fitView(viewOf([], { output: 'x'.repeat(3_000_000) }), 2_000_000);
    expect(fitted).toMatchObject({ outputOmitted: { bytes: 3_000_002 } });
    expect(fitted).not.toHaveProperty('output');
  });

  it('shortens what agents and approvals said where even that of ten thousand steps is too much', () => {
    const steps = Array.from({ length: 10_000 }, (_, index) =>
      step(`s${index}`, {
        status: 'failed',
        failure: { code: 'no', message: 'ü'.repeat(10_000), retryable: false, trace: 't'.repeat(2_000) },
      }),
    );
    const fitted = fitView(viewOf(steps), 7 * 1024 * 1024);
    expect(bytesOf(fitted)).toBeLessThan(7.5 * 1024 * 1024);
    expect(fitted.steps).toHaveLength(10_000);
    expect(steps[0]?.failure?.message).toHaveLength(10_000);
  });
});

describe('fitStep', () => {
  it('keeps a step’s payloads while they fit, and leaves out the largest when they do not', () => {
    const one = step('a', { output: 'x'.repeat(1_000) });
    expect(fitStep(one, 2_000)).toEqual(one);
    expect(fitStep(one, 500)).toMatchObject({ outputOmitted: { bytes: 1_002 } });
  });
});
