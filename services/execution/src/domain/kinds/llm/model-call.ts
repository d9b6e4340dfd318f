import { FAILURE_CODES, LIMITS, type Budget, type JsonObject } from '@batuta/contracts';
import { budgetOf } from '../../budget/budget.js';
import type { Draft } from '../../draft.js';
import { unitInput } from '../../expressions/inputs.js';
import type { Unit } from '../../graph/compiled.js';
import { compiledUnit } from '../../state/nodes.js';
import { unitState, type State } from '../../state/state.js';
import { jsonBytesBeyond } from '../../structures/json.js';
import { BEGINNING, firstMessages } from './conversation.js';
import { llmOf } from './rules.js';

/** The input of a model's call. The conversation is put together here, and is not stored as a whole. */
export function modelCallInput(state: State, unit: Unit): JsonObject {
  const rules = llmOf(unit);
  const conversation = unitState(state, unit.index).conversation ?? BEGINNING;
  const mapped = unitInput(state, unit)?.value ?? null;
  const last = rules !== undefined && rules.answersAtLast && conversation.turn + 1 >= rules.maxTurns;
  const { tools, tool_choice: choice, ...options } = rules?.options ?? {};
  const { reserved } = conversation;
  return {
    ...options,
    ...(tools === undefined ? {} : { tools }),
    ...(last && tools !== undefined ? { tool_choice: 'none' } : choice === undefined ? {} : { tool_choice: choice }),
    messages: [...firstMessages(mapped), ...conversation.messages],
    ...(reserved === undefined ? {} : { budget: budgetForModel(reserved) }),
  };
}

function budgetForModel({ maxTokens, maxCost }: Budget): JsonObject {
  return {
    ...(maxTokens === undefined ? {} : { tokens: maxTokens }),
    ...(maxCost === undefined ? {} : { cost: maxCost }),
  };
}

/** Asks the model, unless the conversation is too long or the budget is used up. */
export function callModel(draft: Draft, unit: Unit): void {
  const bytes = jsonBytesBeyond(LIMITS.stepInputBytes, modelCallInput(draft.state, unit));
  if (bytes !== undefined) {
    const message = `the conversation has ${bytes} bytes, the limit is ${LIMITS.stepInputBytes}`;
    const details = { bytes, limit: LIMITS.stepInputBytes };
    draft.failStep(unit.index, { code: FAILURE_CODES.contextTooLong, message, retryable: false, details });
    return;
  }
  const reserved = reservation(draft.state, unit);
  if (reserved !== undefined && ((reserved.maxTokens ?? 1) <= 0 || (reserved.maxCost ?? 1) <= 0)) {
    const message = 'the budget leaves nothing for a call of the model';
    draft.failStep(unit.index, { code: FAILURE_CODES.budgetTooSmall, message, retryable: false });
    return;
  }
  const attempt = unitState(draft.state, unit.index).attempt + 1;
  draft.emit({
    type: 'StepScheduled',
    data: {
      attempt,
      ...(reserved === undefined ? {} : { reserved }),
      ...(unit.scheduleToStartMs > 0 ? { startDeadlineAt: draft.at + unit.scheduleToStartMs } : {}),
      stepId: unit.id,
    },
  });
}

/**
 * The budget of a call: its share of what is neither spent nor reserved. Shares are divided among the unfinished steps
 * that can ask a model, so that together they stay within the budget, however many run at once.
 */
function reservation(state: State, unit: Unit): Budget | undefined {
  const { maxTokens, maxCost } = budgetOf(state);
  if (maxTokens === undefined && maxCost === undefined) return undefined;
  let waiting = 1;
  let tokens = 0;
  let cost = 0;
  for (const index of state.config.modelUnits) {
    const { conversation, phase, settled } = unitState(state, index);
    if (index === unit.index || settled) continue;
    const running = phase === 'running' ? conversation?.reserved : undefined;
    if (running === undefined) {
      if (compiledUnit(state, index).fallbackFor === -1) waiting += 1;
    } else {
      tokens += running.maxTokens ?? 0;
      cost += running.maxCost ?? 0;
    }
  }
  return {
    ...(maxTokens === undefined
      ? {}
      : { maxTokens: Math.max(0, Math.floor((maxTokens - state.spentTokens - tokens) / waiting)) }),
    ...(maxCost === undefined ? {} : { maxCost: Math.max(0, (maxCost - state.spentCost - cost) / waiting) }),
  };
}
