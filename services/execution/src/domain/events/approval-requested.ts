import { lifecycle } from '../effects/effect.js';
import { begin, beginGroup } from '../fold/phases.js';
import { putUnit } from '../state/nodes.js';
import { unitState } from '../state/state.js';
import { addDeadline, STEP_DEADLINE } from '../state/timers.js';
import type { Metric } from './metrics.js';
import type { EventDefinition } from './definition.js';

/** Requested and decided approvals. */
export const APPROVALS: Metric = {
  type: 'counter',
  name: 'batuta_approvals_total',
  help: 'Approvals that were asked for, and what was decided: approved, rejected, approved_by_timeout or rejected_by_timeout',
  labels: ['outcome'],
  from: ['requested'],
};

export const approvalRequested: EventDefinition<'ApprovalRequested'> = {
  evolve(next, data, event) {
    begin(next, event.at);
    const index = next.config.unitIndex.get(data.stepId);
    if (index === undefined) {
      return;
    }
    putUnit(next, index, {
      ...unitState(next, index),
      phase: 'awaiting',
      firstScheduledAt: event.at,
      scheduledAt: event.at,
      startedAt: event.at,
      granted: undefined,
      approval: {
        requestedAt: event.at,
        message: data.message,
        input: data.input,
        deadlineAt: data.deadlineAt ?? 0,
        approvers: data.approvers ?? [],
        decideAs: data.decideAs,
        decision: undefined,
      },
    });
    if (data.deadlineAt !== undefined) {
      addDeadline(next, index, data.deadlineAt, STEP_DEADLINE);
    }
    beginGroup(next, index, event.at);
  },
  effects: lifecycle,
  spans: ({ at, data: { stepId, deadlineAt, approvers = [] } }) => [
    {
      change: 'wait began',
      stepId,
      name: 'human wait',
      attributes: {
        'batuta.approval.approvers': approvers.length,
        ...(deadlineAt === undefined ? {} : { 'batuta.timer.planned_ms': deadlineAt - at }),
      },
      withdrawn: { 'batuta.approval.outcome': 'withdrawn', 'batuta.approval.timed_out': false },
    },
  ],
  measures: {
    metrics: [APPROVALS],
    of: () => [{ metric: APPROVALS, labels: ['requested'], value: 1 }],
  },
  command: undefined,
};
