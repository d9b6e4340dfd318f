import type { ApprovalView } from '@batuta/contracts';
import { isTerminal, type State } from '../../state/state.js';
import { isAwaiting, type UnitState } from '../../state/unit-state.js';

function approvalStatus(state: State, unit: UnitState): ApprovalView['status'] {
  const decision = unit.approval?.decision;
  if (decision !== undefined) {
    return decision.approved ? 'approved' : 'rejected';
  }
  return isAwaiting(unit) && !isTerminal(state.status) ? 'waiting' : 'withdrawn';
}

export function approvalView(state: State, unit: UnitState): { approval?: ApprovalView } {
  const { approval } = unit;
  if (approval === undefined) {
    return {};
  }
  const { decision, deadlineAt, approvers, input } = approval;
  return {
    approval: {
      status: approvalStatus(state, unit),
      message: approval.message,
      requestedAt: approval.requestedAt,
      ...(input === undefined ? {} : { input }),
      ...(approvers.length === 0 ? {} : { approvers: [...approvers] }),
      ...(deadlineAt === 0 ? {} : { deadlineAt }),
      ...(decision === undefined ? {} : { decidedAt: decision.at }),
      ...(decision === undefined || decision.by === '' ? {} : { decidedBy: decision.by }),
      ...(decision === undefined || decision.comment === '' ? {} : { comment: decision.comment }),
      ...(decision?.data === undefined ? {} : { data: decision.data }),
      ...(decision?.timedOut === true ? { timedOut: true } : {}),
    },
  };
}
