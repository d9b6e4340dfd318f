import { FAILURE_CODES, LIMITS, type JsonValue } from '@batuta/contracts';
import type { Draft } from '../../draft.js';
import { evaluationKey, unitContext } from '../../expressions/evaluations.js';
import { truthy, valueAtPath } from '../../expressions/expressions.js';
import { unitInput } from '../../expressions/inputs.js';
import type { Unit } from '../../graph/compiled.js';
import { compiledUnit } from '../../state/nodes.js';
import { unitState, type State } from '../../state/state.js';
import { jsonBytesBeyond } from '../../structures/json.js';
import { scheduleAttempt } from '../agent/attempt.js';
import type { ApprovalRules } from '../approval/rules.js';
import { refusal, type Decided } from '../approval/decision.js';
import { requestChild } from '../orchestration/child.js';
import type { ToolRules } from './rules.js';

/** Goes on with the call that a place makes: a human is asked first where the config says so, once for all its attempts. */
export function makeCall(draft: Draft, index: number): void {
  const unit = compiledUnit(draft.state, index);
  const asks = unit.tool === undefined ? false : asksFirst(draft.state, unit, unit.tool);
  if (asks === undefined) {
    draft.emit({ type: 'EvaluationRequested', data: { key: evaluationKey('when', unit.id) } });
  } else if (asks && unit.tool?.approval !== undefined) {
    ask(draft, unit, unit.tool.approval);
  } else {
    begin(draft, unit);
  }
}

/** Whether a human has to decide before the call is made; undefined while nobody knows whether the condition holds. */
function asksFirst(state: State, unit: Unit, { approval, condition }: ToolRules): boolean | undefined {
  const current = unitState(state, unit.index);
  if (approval === undefined || current.approval?.decision?.approved === true) return false;
  if (condition === undefined) return true;
  if (current.whenEvaluated) return truthy(current.whenValue);
  const found = valueAtPath(condition.path, unitContext(state, unit));
  return found.known ? truthy(found.value) : undefined;
}

function ask(draft: Draft, unit: Unit, rules: ApprovalRules & { readonly message: string }): void {
  const input: JsonValue = { tool: unit.name, input: unitState(draft.state, unit.index).call?.input ?? null };
  draft.emit({
    type: 'ApprovalRequested',
    data: {
      stepId: unit.id,
      // One place makes many calls: whoever decides says which of them was shown.
      decideAs: `${unit.id}:${draft.state.version + 1}`,
      message: rules.message,
      input,
      ...(rules.timeoutMs > 0 ? { deadlineAt: draft.at + rules.timeoutMs } : {}),
      ...(rules.approvers.length > 0 ? { approvers: [...rules.approvers] } : {}),
    },
  });
}

function begin(draft: Draft, unit: Unit): void {
  const input = unitInput(draft.state, unit)?.value ?? null;
  if (unit.work.kind === 'orchestration') {
    requestChild(draft, unit, unit.work.rules, input);
    return;
  }
  const bytes = jsonBytesBeyond(LIMITS.stepInputBytes, input);
  if (bytes !== undefined) {
    const message = `the input of the call has ${bytes} bytes, the limit is ${LIMITS.stepInputBytes}`;
    draft.failStep(unit.index, { code: FAILURE_CODES.inputTooLarge, message, retryable: false });
    return;
  }
  scheduleAttempt(draft, unit.index);
}

/** Records a decision about a call: it is made, or the model is told that it was declined. */
export function decideCall(draft: Draft, unit: Unit, rules: ApprovalRules, decided: Decided): void {
  draft.emit({ type: 'ApprovalDecided', data: { stepId: unit.id, ...decided } });
  if (!decided.approved) draft.failStep(unit.index, refusal(decided, rules));
}
