import { freeLane, putChunk } from '../kinds/map/lanes.js';
import { jsonBytes } from '../structures/json.js';
import type { EventDefinition } from './definition.js';

/** What follows, another chunk or the end of the step, is an event of its own. */
export const mapChunkEnded: EventDefinition<'MapChunkEnded'> = {
  evolve(next, { laneId, chunk, completed, failed, failedItems, results, stopped = false }) {
    const lane = next.config.unitIndex.get(laneId);
    if (lane === undefined) {
      return;
    }
    putChunk(next, lane, chunk, (before) => ({
      ...before,
      phase: stopped ? 'waiting' : 'ended',
      completed,
      failed,
      failedItems,
      results,
      resultBytes: jsonBytes(results),
    }));
    freeLane(next, lane);
  },
  effects: undefined,
  spans: ({ data: { laneId, chunk, completed, failed, stopped = false } }) => [
    {
      change: 'node ended',
      id: laneId,
      status: stopped || failed > 0 ? 'failed' : 'completed',
      attributes: {
        'batuta.map.chunk': chunk,
        'batuta.map.items.completed': completed,
        'batuta.map.items.failed': failed,
      },
    },
  ],
  measures: undefined,
  command: undefined,
};
