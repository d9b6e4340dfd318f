import { begin, beginGroup } from '../fold/phases.js';
import { mapAgain, NEW_CHUNK } from '../kinds/map/map-state.js';
import { putUnit } from '../state/nodes.js';
import { unitState } from '../state/state.js';
import type { EventDefinition } from './definition.js';

export const mapStarted: EventDefinition<'MapStarted'> = {
  evolve(next, { stepId, number, itemsKey, total, starts, tolerated, resumed = false }, event) {
    begin(next, event.at);
    const index = next.config.unitIndex.get(stepId);
    if (index === undefined) {
      return;
    }
    const unit = unitState(next, index);
    const fresh = {
      number,
      itemsKey,
      total,
      tolerated,
      starts,
      chunks: starts.map(() => NEW_CHUNK),
      completed: 0,
      failed: 0,
      listed: 0,
      resultBytes: 0,
      open: starts.length,
    };
    putUnit(next, index, {
      ...unit,
      phase: 'awaiting',
      firstScheduledAt: unit.firstScheduledAt || event.at,
      scheduledAt: event.at,
      startedAt: unit.startedAt || event.at,
      map: resumed && unit.map !== undefined ? { ...mapAgain(unit.map), tolerated } : fresh,
    });
    beginGroup(next, index, event.at);
  },
  effects: undefined,
  spans: ({ data: { stepId, total, starts } }) => [
    {
      change: 'wait began',
      stepId,
      name: 'items',
      attributes: { 'batuta.map.items': total, 'batuta.map.chunks': starts.length },
      withdrawn: {},
    },
  ],
  measures: undefined,
  command: undefined,
};
