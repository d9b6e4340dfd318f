import { putUnit } from '../state/nodes.js';
import { unitState } from '../state/state.js';
import { addRetry } from '../state/timers.js';
import type { EventDefinition } from './definition.js';

/** It begins when its time has come and a slot is free, as a further attempt does. */
export const iterationPlanned: EventDefinition<'IterationPlanned'> = {
  evolve(next, { stepId, startAt }) {
    const index = next.config.unitIndex.get(stepId);
    const unit = index === undefined ? undefined : unitState(next, index);
    if (index === undefined || unit?.loop === undefined) {
      return;
    }
    putUnit(next, index, {
      ...unit,
      phase: 'backoff',
      failures: 0,
      inputValues: undefined,
      retryAt: startAt,
      loop: { ...unit.loop, since: 0, between: false, verdict: undefined },
    });
    addRetry(next, index, startAt, unit.attempt);
  },
  effects: undefined,
  spans: undefined,
  measures: undefined,
  command: undefined,
};
