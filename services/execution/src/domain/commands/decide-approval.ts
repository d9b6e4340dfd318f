import { LIMITS } from '@batuta/contracts';
import { approvedOutput, decideAwaiting, type Decided } from '../kinds/approval/decision.js';
import { approvalOf } from '../kinds/approval/rules.js';
import { isApprover } from '../kinds/approval/approvers.js';
import type { DecideApproval, Outcome, Rejection } from './command.js';
import type { Draft } from '../draft.js';
import { jsonBytesBeyond } from '../structures/json.js';
import { unitState } from '../state/state.js';
import { isAwaiting } from '../state/unit-state.js';
import { COMPENSATING, endedRejection } from './ended.js';

/** A human approves or rejects a waiting step. The first recorded decision counts, including one by timeout. */
export function decideApproval(draft: Draft, command: DecideApproval): Outcome | Rejection {
  const { state } = draft;
  const { stepId, approved, by = '' } = command;
  const ended = endedRejection(state);
  if (ended !== undefined) {
    return ended;
  }
  if (state.status === 'compensation') {
    return COMPENSATING;
  }
  const index = state.config.unitIndex.get(stepId);
  const unit = index === undefined ? undefined : state.config.units[index];
  if (index === undefined || unit?.kind !== 'step') {
    return { code: 'step_not_found', message: `the config has no step ${stepId}` };
  }
  const rules = approvalOf(unit);
  if (rules === undefined) {
    return { code: 'not_awaiting_approval', message: `step ${stepId} is no approval: nobody is asked` };
  }
  if (!isApprover(rules, by)) {
    return { code: 'not_an_approver', message: `only the approvers of step ${stepId} may decide` };
  }
  const current = unitState(state, index);
  const decision = current.approval?.decision;
  if (decision !== undefined) {
    const how = decision.timedOut ? 'its time ran out' : decision.approved ? 'it was approved' : 'it was rejected';
    return { code: 'already_decided', message: `step ${stepId} is decided already: ${how}` };
  }
  if (!isAwaiting(current)) {
    return { code: 'not_awaiting_approval', message: `step ${stepId} does not wait for a decision` };
  }
  const decided: Decided = {
    approved,
    ...(by === '' ? {} : { by }),
    ...(command.comment ? { comment: command.comment } : {}),
    ...(command.data === undefined ? {} : { data: command.data }),
  };
  const bytes = jsonBytesBeyond(LIMITS.payloadBytes, approvedOutput(decided, command.at));
  if (bytes !== undefined) {
    const message = `the decision has ${bytes} bytes, the limit is ${LIMITS.payloadBytes}`;
    return { code: 'payload_too_large', message };
  }
  decideAwaiting(draft, unit, rules, decided);
  return 'done';
}
