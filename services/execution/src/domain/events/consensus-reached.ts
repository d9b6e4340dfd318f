import { putDecidedGroup } from '../../strategies/consensus/decided.js';
import { settleGroup } from '../fold/settle.js';
import type { EventDefinition } from './definition.js';

export const consensusReached: EventDefinition<'ConsensusReached'> = {
  evolve(next, data, event) {
    const numbered = (ids: readonly string[]): number[] => ids.flatMap((id) => next.config.unitIndex.get(id) ?? []);
    const index = putDecidedGroup(next, data.groupId, {
      phase: 'completed',
      votes: data.votes,
      winners: numbered(data.winners),
      dissent: numbered(data.dissent),
      decidedBy: data.decidedBy,
      share: data.share ?? 0,
      failure: undefined,
      finishedAt: event.at,
    });
    if (index !== undefined) {
      settleGroup(next, index);
    }
  },
  effects: undefined,
  spans: ({ data: { groupId, mode, winners, dissent, decidedBy, share } }) => [
    {
      change: 'node ended',
      id: groupId,
      status: 'completed',
      attributes: {
        'batuta.consensus.mode': mode,
        'batuta.consensus.winners': winners,
        'batuta.consensus.dissent': dissent,
        'batuta.consensus.decided_by': decidedBy,
        ...(share === undefined ? {} : { 'batuta.consensus.share': share }),
      },
    },
  ],
  measures: undefined,
  command: undefined,
};
