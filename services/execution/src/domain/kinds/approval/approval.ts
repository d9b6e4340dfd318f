import { FAILURE_CODES, LIMITS, isoTime, type ApprovalDecided, type Failure, type JsonValue } from '@batuta/contracts';
import type { ApprovalRules, Unit } from '../../graph/compiled.js';
import type { Draft } from '../../draft.js';
import { canonicalJson, isObject, jsonBytesBeyond } from '../../structures/json.js';
import { unitState } from '../../state/state.js';

export type Decided = Omit<ApprovalDecided, 'stepId'>;

/** A message is a text; what else its expression gave is shown as JSON, and nothing as an empty text. */
function messageOf(value: JsonValue | undefined): string {
  if (value === undefined || value === null) {
    return '';
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Asks for a decision: the evaluated mapping of an approval is `{message, input?}`. */
export function requestApproval(draft: Draft, unit: Unit, rules: ApprovalRules, mapping: JsonValue): void {
  const { message: said, input } = isObject(mapping) ? mapping : {};
  const message = messageOf(said);
  const excess =
    tooLarge('the message of the approval', message, LIMITS.approvalMessageBytes) ??
    tooLarge('the input of the approval', input, LIMITS.payloadBytes);
  if (excess !== undefined) {
    draft.failStep(unit.index, excess);
    return;
  }
  const { granted } = unitState(draft.state, unit.index);
  if (granted?.approval.message === message && canonicalJson(granted.approval.input) === canonicalJson(input)) {
    draft.emit({ type: 'StepReused', data: { stepId: unit.id, output: granted.output } });
    return;
  }
  draft.emit({
    type: 'ApprovalRequested',
    data: {
      stepId: unit.id,
      message,
      ...(input === undefined ? {} : { input }),
      ...(rules.timeoutMs > 0 ? { deadlineAt: draft.at + rules.timeoutMs } : {}),
      ...(rules.approvers.length > 0 ? { approvers: [...rules.approvers] } : {}),
    },
  });
}

function tooLarge(what: string, value: JsonValue | undefined, limit: number): Failure | undefined {
  const bytes = jsonBytesBeyond(limit, value);
  if (bytes === undefined) {
    return undefined;
  }
  const message = `${what} has ${bytes} bytes, the limit is ${limit}`;
  return { code: FAILURE_CODES.inputTooLarge, message, retryable: false };
}

/** The output of a step that was approved. */
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

function refusal(decided: Decided, rules: ApprovalRules): Failure {
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

/** Records a decision and what it does to the step. */
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
