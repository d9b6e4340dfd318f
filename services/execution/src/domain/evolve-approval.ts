import type { ApprovalDecided, ApprovalRequested, Event } from '@batuta/contracts';
import { begin, noteGroupStart } from './evolve-step.js';
import { putUnit } from './fold/settle.js';
import { unitState, type Next } from './state/state.js';
import { addDeadline, STEP_DEADLINE } from './state/timers.js';

export function applyApprovalRequested(next: Next, data: ApprovalRequested, event: Event): void {
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
      decision: undefined,
    },
  });
  if (data.deadlineAt !== undefined) {
    addDeadline(next, index, data.deadlineAt, STEP_DEADLINE);
  }
  noteGroupStart(next, index, event.at);
}

/** What the decision does to the step is the next event. */
export function applyApprovalDecided(next: Next, data: ApprovalDecided, event: Event): void {
  const index = next.config.unitIndex.get(data.stepId);
  const unit = index === undefined ? undefined : unitState(next, index);
  if (index === undefined || unit?.approval === undefined) {
    return;
  }
  putUnit(next, index, {
    ...unit,
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
}
