import { putDecidedGroup } from '../../strategies/consensus/decided.js';
import { applyHandling } from '../fold/settle.js';
import type { EventDefinition } from './definition.js';

export const consensusFailed: EventDefinition<'ConsensusFailed'> = {
  evolve(next, data, event) {
    const { groupId, votes, failure, handling, fallbackStepId } = data;
    const index = putDecidedGroup(next, groupId, { phase: 'failed', votes, failure, finishedAt: event.at });
    if (index === undefined) {
      return;
    }
    const alternative = fallbackStepId === undefined ? undefined : next.config.unitIndex.get(fallbackStepId);
    applyHandling(next, next.config.units.length + index, failure, handling, alternative);
  },
  effects: undefined,
  spans: ({ data: { groupId, mode, failure, handling, fallbackStepId } }) => [
    {
      change: 'node ended',
      id: groupId,
      status: 'failed',
      failure,
      attributes: {
        'batuta.consensus.mode': mode,
        'batuta.failure.handling': handling,
        ...(fallbackStepId === undefined ? {} : { 'batuta.fallback.step': fallbackStepId }),
      },
    },
  ],
  measures: undefined,
  command: undefined,
};
