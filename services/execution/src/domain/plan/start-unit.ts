import { FAILURE_CODES } from '@batuta/contracts';
import type { Unit } from '../graph/compiled.js';
import type { Draft } from '../draft.js';
import { evaluationKey, unitContext } from '../expressions/evaluations.js';
import { truthy, valueAtPath } from '../expressions/expressions.js';
import { unitInput } from '../expressions/inputs.js';
import { isChosen } from '../kinds/choice/chosen.js';
import { kindOf } from '../kinds/index.js';
import { request } from './request.js';
import { nodeResult } from '../state/results.js';
import { compiledUnit } from '../state/nodes.js';
import { unitState } from '../state/state.js';

export function skip(draft: Draft, stepId: string, reason: string): void {
  draft.emit({ type: 'StepSkipped', data: { stepId, reason } });
}

const WHY = {
  condition_false: 'its condition is false',
  dependency_skipped: 'a dependency was skipped',
  not_chosen: 'it was not chosen',
} as const;

/**
 * Passes over a step whose turn has come but that does not run. A fallback that does not apply is followed by the next
 * one.
 */
function passOver(draft: Draft, unit: Unit, reason: 'condition_false' | 'dependency_skipped' | 'not_chosen'): void {
  if (unit.fallbackFor === -1) {
    skip(draft, unit.id, reason);
    return;
  }
  const message = WHY[reason];
  draft.failStep(unit.index, { code: FAILURE_CODES.conditionFalse, message, retryable: false });
}

/** It is a ready unit's turn: it starts, is passed over, or asks the sandbox first. */
export function startUnit(draft: Draft, index: number): void {
  if (applyGuards(draft, index)) {
    startWithInput(draft, compiledUnit(draft.state, index));
  }
}

/**
 * Applies the guards of a ready unit whose turn has come: its dependencies, the choice and its condition. Returns whether
 * the unit runs. Otherwise an event has skipped or failed it, or its condition was sent to the sandbox.
 */
export function applyGuards(draft: Draft, index: number): boolean {
  const { state } = draft;
  const unit = compiledUnit(state, index);
  if (unit.requireAll && unit.dependencies.some((node) => nodeResult(state, node).skipped)) {
    passOver(draft, unit, 'dependency_skipped');
    return false;
  }
  if (unit.chosenBy.length > 0 && !isChosen(state, unit)) {
    passOver(draft, unit, 'not_chosen');
    return false;
  }
  const current = unitState(state, index);
  if (unit.when !== undefined) {
    const found = current.whenEvaluated
      ? { known: true as const, value: current.whenValue }
      : valueAtPath(unit.when.path, unitContext(state, unit));
    if (!found.known) {
      request(draft, evaluationKey('when', unit.id));
      return false;
    }
    if (!truthy(found.value)) {
      passOver(draft, unit, 'condition_false');
      return false;
    }
  }
  return true;
}

/** Starts a unit whose condition holds, with its input, or after the sandbox has computed it. */
export function startWithInput(draft: Draft, unit: Unit): void {
  const input = unitInput(draft.state, unit);
  if (input === undefined) {
    request(draft, evaluationKey('input', unit.id));
    return;
  }
  kindOf(unit).start(draft, unit, unit.work.rules, input.value);
}
