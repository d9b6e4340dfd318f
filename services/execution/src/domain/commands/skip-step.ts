import { callNotOf, passedByASkip } from '../kinds/approval/approvers.js';
import type { Outcome, Rejection, SkipStep } from './command.js';
import type { Draft } from '../draft.js';
import { unitState } from '../state/state.js';
import { COMPENSATING, endedRejection } from './ended.js';

/** Skips an unfinished step: a running attempt is stopped, and dependents run and see null. */
export function skipStep(draft: Draft, command: SkipStep): Outcome | Rejection {
  const { state } = draft;
  const ended = endedRejection(state);
  if (ended !== undefined) {
    return ended;
  }
  if (state.status === 'compensation') {
    return COMPENSATING;
  }
  const index = state.config.unitIndex.get(command.stepId);
  if (index === undefined || state.config.units[index]?.kind !== 'step') {
    return { code: 'step_not_found', message: `the config has no step ${command.stepId}` };
  }
  const { phase, settled, selected } = unitState(state, index);
  if (settled || phase === 'completed' || phase === 'failed' || phase === 'skipped') {
    return { code: 'step_already_finished', message: `step ${command.stepId} is ${phase} already` };
  }
  if (!selected) {
    return { code: 'not_applicable', message: `step ${command.stepId} is an alternative that is not in use` };
  }
  const passed = passedByASkip(state, index, command.by ?? '');
  if (passed !== undefined) {
    const message =
      passed.index === index
        ? `only the approvers of step ${command.stepId} may skip it`
        : `skipping step ${command.stepId} could pass over the approval of step ${passed.id}, which only its approvers may do`;
    return { code: 'not_an_approver', message };
  }
  const asks = callNotOf(state, index, command.by ?? '');
  if (asks !== undefined) {
    const message = `step ${command.stepId} asks about a call of the tool ${asks.name}, so only those who may decide about it may skip the step`;
    return { code: 'not_an_approver', message };
  }
  draft.emit({
    type: 'StepSkipped',
    data: {
      stepId: command.stepId,
      reason: 'requested',
      ...(command.by ? { by: command.by } : {}),
      ...(command.reason ? { comment: command.reason } : {}),
    },
  });
  return 'done';
}
