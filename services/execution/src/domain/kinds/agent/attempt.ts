import { isEmpty, NOTHING_LEFT, reservation } from '../../budget/reservation.js';
import type { Draft } from '../../draft.js';
import { compiledUnit } from '../../state/nodes.js';
import { unitState } from '../../state/state.js';

/** Records the next attempt of a unit. */
export function scheduleAttempt(draft: Draft, index: number): void {
  const unit = compiledUnit(draft.state, index);
  const attempt = unitState(draft.state, index).attempt + 1;
  const stepId = unit.id;
  if (unit.asksModel) {
    const reserved = reservation(draft.state, unit);
    if (reserved !== undefined && isEmpty(reserved)) {
      draft.failStep(index, NOTHING_LEFT);
      return;
    }
    draft.emit({ type: 'StepScheduled', data: { attempt, ...(reserved === undefined ? {} : { reserved }), stepId } });
    return;
  }
  // Keys in ascending order, as they are stored, so that no sorting is needed.
  draft.emit({
    type: 'StepScheduled',
    data:
      unit.scheduleToStartMs > 0
        ? { attempt, startDeadlineAt: draft.at + unit.scheduleToStartMs, stepId }
        : { attempt, stepId },
  });
}
