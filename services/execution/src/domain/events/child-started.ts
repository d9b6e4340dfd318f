import { putUnit } from '../state/nodes.js';
import { unitState } from '../state/state.js';
import type { EventDefinition } from './definition.js';

export const childStarted: EventDefinition<'ChildStarted'> = {
  evolve(next, { stepId, childId, configId, configName, configVersion, childVersion }) {
    const index = next.config.unitIndex.get(stepId);
    const unit = index === undefined ? undefined : unitState(next, index);
    if (index === undefined || unit?.child?.id !== childId) {
      return;
    }
    putUnit(next, index, {
      ...unit,
      child: { ...unit.child, started: { configId, configName, configVersion, since: childVersion } },
    });
  },
  effects: undefined,
  spans: undefined,
  measures: undefined,
  command: undefined,
};
