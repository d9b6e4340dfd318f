import { FAILURE_CODES, LIMITS, type Failure, type JsonValue } from '@batuta/contracts';
import type { Draft } from '../../draft.js';
import type { Unit } from '../../graph/compiled.js';
import { unitState } from '../../state/state.js';
import { canonicalJson, isObject, jsonBytesBeyond } from '../../structures/json.js';
import type { ApprovalRules } from './rules.js';

/** A message is a text. Any other value of its expression is shown as JSON, and a missing one as an empty text. */
function messageOf(value: JsonValue | undefined): string {
  if (value === undefined || value === null) {
    return '';
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function tooLarge(what: string, value: JsonValue | undefined, limit: number): Failure | undefined {
  const bytes = jsonBytesBeyond(limit, value);
  if (bytes === undefined) {
    return undefined;
  }
  const message = `${what} has ${bytes} bytes, the limit is ${limit}`;
  return { code: FAILURE_CODES.inputTooLarge, message, retryable: false };
}

/** Requests a decision. The evaluated mapping of an approval is `{message, input?}`. */
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
