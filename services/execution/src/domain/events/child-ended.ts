import { mapOfLane, putChunk } from '../kinds/map/lanes.js';
import { spend } from '../fold/spend.js';
import { putUnit } from '../state/nodes.js';
import { unitState } from '../state/state.js';
import type { EventDefinition } from './definition.js';

/** The next event has the effect on the step. */
export const childEnded: EventDefinition<'ChildEnded'> = {
  evolve(next, data) {
    const { stepId, childId, status, tokenCount = 0, estimatedCost = 0 } = data;
    const index = next.config.unitIndex.get(stepId);
    const unit = index === undefined ? undefined : unitState(next, index);
    if (index === undefined || unit?.child?.id !== childId) {
      return;
    }
    const { counted } = unit.child;
    putUnit(next, index, {
      ...unit,
      tokenCount: unit.tokenCount + tokenCount,
      cost: unit.cost + estimatedCost,
      child: {
        ...unit.child,
        ended: status,
        command: undefined,
        counted: { tokens: counted.tokens + tokenCount, cost: counted.cost + estimatedCost },
      },
    });
    const { chunk, map } = unit.child;
    if (chunk !== undefined && map === mapOfLane(next, index)?.number) {
      const sum = { tokens: counted.tokens + tokenCount, cost: counted.cost + estimatedCost };
      putChunk(next, index, chunk, (before) => ({ ...before, counted: sum }));
    }
    spend(next, data);
  },
  effects: undefined,
  spans: ({ data: { stepId, status } }) => [
    { change: 'wait ended', stepId, attributes: { 'batuta.child.status': status } },
  ],
  measures: undefined,
  command: undefined,
};
