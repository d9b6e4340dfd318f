import { FAILURE_CODES, LIMITS, type JsonObject } from '@batuta/contracts';
import { budgetForModel, isEmpty, NOTHING_LEFT, reservation } from '../../budget/reservation.js';
import type { Draft } from '../../draft.js';
import { unitInput } from '../../expressions/inputs.js';
import type { Unit } from '../../graph/compiled.js';
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
  if (reserved !== undefined && isEmpty(reserved)) {
    draft.failStep(unit.index, NOTHING_LEFT);
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
