import { compiledUnit, putUnit } from '../state/nodes.js';
import { unitState } from '../state/state.js';
import { APPROVALS } from './approval-requested.js';
import type { Metric } from './metrics.js';
import type { EventDefinition, Measure } from './definition.js';

const WAIT_SECONDS: Metric = {
  type: 'distribution',
  name: 'batuta_approval_wait_seconds',
  help: 'Time that humans took to decide, from the request',
  labels: ['outcome'],
  // Humans take minutes to days.
  buckets: [1, 5, 15, 60, 300, 900, 3_600, 14_400, 43_200, 86_400, 259_200, 604_800],
};

/** The next event has the effect on the step. */
export const approvalDecided: EventDefinition<'ApprovalDecided'> = {
  evolve(next, data, event) {
    const index = next.config.unitIndex.get(data.stepId);
    const unit = index === undefined ? undefined : unitState(next, index);
    if (index === undefined || unit?.approval === undefined) {
      return;
    }
    // A call that is approved is made, and its time begins with that.
    const goesOn = data.approved && compiledUnit(next, index).kind === 'tool';
    putUnit(next, index, {
      ...unit,
      ...(goesOn ? { phase: 'ready', firstScheduledAt: 0 } : {}),
      approval: {
        ...unit.approval,
        decision: {
          approved: data.approved,
          by: data.by ?? '',
          comment: data.comment ?? '',
          data: data.data,
          timedOut: data.timedOut ?? false,
          at: event.at,
        },
      },
    });
  },
  effects: undefined,
  spans: ({ data: { stepId, approved, timedOut = false } }) => [
    {
      change: 'wait ended',
      stepId,
      attributes: {
        'batuta.approval.outcome': approved ? 'approved' : 'rejected',
        'batuta.approval.timed_out': timedOut,
      },
    },
  ],
  measures: {
    metrics: [APPROVALS, WAIT_SECONDS],
    of({ stepId, approved, timedOut }, state) {
      const outcome = `${approved ? 'approved' : 'rejected'}${timedOut === true ? '_by_timeout' : ''}`;
      const counted: Measure = { metric: APPROVALS, labels: [outcome], value: 1 };
      const approval = state.units.get(state.config.unitIndex.get(stepId) ?? -1)?.approval;
      const decidedAt = approval?.decision?.at;
      if (approval === undefined || decidedAt === undefined) {
        return [counted];
      }
      const value = Math.max(0, decidedAt - approval.requestedAt) / 1_000;
      return [counted, { metric: WAIT_SECONDS, labels: [outcome], value }];
    },
  },
  command: 'decide_approval',
};
