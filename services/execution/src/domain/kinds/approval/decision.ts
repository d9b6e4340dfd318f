import { FAILURE_CODES, isoTime, type ApprovalDecided, type Failure, type JsonValue } from '@batuta/contracts';
import type { Draft } from '../../draft.js';
import type { Unit } from '../../graph/compiled.js';
import { unitState } from '../../state/state.js';
import type { ApprovalRules } from './rules.js';

export type Decided = Omit<ApprovalDecided, 'stepId'>;

/** The output of an approved step. */
export function approvedOutput(decided: Decided, at: number): JsonValue {
  return {
    approved: true,
    by: decided.by ?? null,
    ...(decided.comment === undefined ? {} : { comment: decided.comment }),
    ...(decided.data === undefined ? {} : { data: decided.data }),
    ...(decided.timedOut === true ? { timed_out: true } : {}),
    decided_at: isoTime(at),
  };
}

/** Why what was declined does not happen. */
export function refusal(decided: Decided, rules: ApprovalRules): Failure {
  if (decided.timedOut === true) {
    const message = `nobody decided within ${rules.timeoutMs} ms`;
    return { code: FAILURE_CODES.approvalTimeout, message, retryable: false };
  }
  const by = decided.by === undefined ? '' : ` by ${decided.by}`;
  const comment = decided.comment === undefined ? '' : `: ${decided.comment}`;
  return {
    code: FAILURE_CODES.approvalRejected,
    message: `rejected${by}${comment}`,
    retryable: false,
    details: {
      ...(decided.by === undefined ? {} : { by: decided.by }),
      ...(decided.comment === undefined ? {} : { comment: decided.comment }),
    },
  };
}

/** Records a decision and its effect on the step. */
export function decideAwaiting(draft: Draft, unit: Unit, rules: ApprovalRules, decided: Decided): void {
  draft.emit({ type: 'ApprovalDecided', data: { stepId: unit.id, ...decided } });
  if (!decided.approved) {
    draft.failStep(unit.index, refusal(decided, rules));
    return;
  }
  draft.emit({
    type: 'StepCompleted',
    data: {
      stepId: unit.id,
      attempt: 0,
      output: approvedOutput(decided, draft.at),
      startedAt: unitState(draft.state, unit.index).startedAt,
      finishedAt: draft.at,
    },
  });
}
