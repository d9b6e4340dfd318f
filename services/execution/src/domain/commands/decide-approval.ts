import { LIMITS } from '@batuta/contracts';
import { approvedOutput, decideAwaiting, type Decided } from '../kinds/approval/decision.js';
import { approvalOf } from '../kinds/approval/rules.js';
import { isApprover } from '../kinds/approval/approvers.js';
import type { DecideApproval, Outcome, Rejection } from './command.js';
import type { Draft } from '../draft.js';
import { jsonBytesBeyond } from '../structures/json.js';
import { unitState } from '../state/state.js';
import { isAsked, isAwaiting } from '../state/unit-state.js';
import { decideCall } from '../kinds/llm/call.js';
import { COMPENSATING, endedRejection } from './ended.js';

/** The unit that a decision is about: of a call of a tool, the id without the question's number. */
function placeOf(stepId: string): string {
  const [step, tool, place] = stepId.split(':');
  return place === undefined ? stepId : `${step}:${tool}:${place}`;
}

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
  const index = state.config.unitIndex.get(placeOf(stepId));
  const unit = index === undefined ? undefined : state.config.units[index];
  if (index === undefined || (unit?.kind !== 'step' && unit?.kind !== 'tool')) {
    return { code: 'step_not_found', message: `the config has no step ${stepId}` };
  }
  const call = unit.tool?.approval;
  const rules = call ?? approvalOf(unit);
  if (rules === undefined) {
    return { code: 'not_awaiting_approval', message: `step ${stepId} is no approval: nobody is asked` };
  }
  if (!isApprover(rules, by)) {
    return { code: 'not_an_approver', message: `only the approvers of step ${stepId} may decide` };
  }
  const current = unitState(state, index);
  const decision = current.approval?.decision;
  // A place makes many calls and asks about each: the question is known while the call runs.
  if (decision !== undefined && (call === undefined || current.approval?.decideAs === stepId)) {
    const how = decision.timedOut ? 'its time ran out' : decision.approved ? 'it was approved' : 'it was rejected';
    return { code: 'already_decided', message: `step ${stepId} is decided already: ${how}` };
  }
  if (call === undefined ? !isAwaiting(current) : !isAsked(current) || current.approval?.decideAs !== stepId) {
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
  if (call === undefined) {
    decideAwaiting(draft, unit, rules, decided);
  } else {
    decideCall(draft, unit, rules, decided);
  }
  return 'done';
}
