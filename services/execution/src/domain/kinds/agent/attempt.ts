import type { Draft } from '../../draft.js';
import { compiledUnit } from '../../state/nodes.js';
import { unitState } from '../../state/state.js';

/** Takes the next attempt of a unit into the log. */
export function scheduleAttempt(draft: Draft, index: number): void {
  const unit = compiledUnit(draft.state, index);
  draft.emit({
    type: 'StepScheduled',
    data: {
      stepId: unit.id,
      attempt: unitState(draft.state, index).attempt + 1,
      ...(unit.scheduleToStartMs > 0 ? { startDeadlineAt: draft.at + unit.scheduleToStartMs } : {}),
    },
  });
}
