import { putUnit } from '../state/nodes.js';
import { unitState } from '../state/state.js';
import { addDeadline, attemptDeadline } from '../state/timers.js';
import type { EventDefinition } from './definition.js';

export const stepProgressed: EventDefinition<'StepProgressed'> = {
  evolve(next, data, event) {
    const index = next.config.unitIndex.get(data.stepId);
    if (index === undefined) {
      return;
    }
    const unit = unitState(next, index);
    if (unit.phase !== 'running' || unit.attempt !== data.attempt) {
      return;
    }
    putUnit(next, index, {
      ...unit,
      heartbeatAt: event.at,
      startedAt: unit.startedAt || event.at,
      progress: data.progress ?? unit.progress,
      progressMessage: data.message ?? unit.progressMessage,
    });
    const deadline = attemptDeadline(next, index);
    if (deadline !== undefined) {
      addDeadline(next, index, deadline, data.attempt);
    }
  },
  effects: undefined,
  spans: undefined,
  measures: undefined,
  command: undefined,
};
