import type { ConsensusFailed, ConsensusReached, Event } from '@batuta/contracts';
import { applyHandling, putGroup, settleGroup } from './fold/settle.js';
import { groupState, type List, type Next } from './state/state.js';

function take(next: Next, id: string): number | undefined {
  const index = next.config.groupIndex.get(id);
  if (index !== undefined) {
    next.decidable = without(next.decidable, index);
  }
  return index;
}

/** The list without an item, which is its head unless an earlier version took the groups in another order. */
function without(list: List<number> | undefined, item: number): List<number> | undefined {
  if (list === undefined || list.head === item) {
    return list?.tail;
  }
  const tail = without(list.tail, item);
  return tail === list.tail ? list : { head: list.head, tail };
}

function numbered(next: Next, ids: readonly string[]): number[] {
  return ids.flatMap((id) => next.config.unitIndex.get(id) ?? []);
}

export function applyConsensusReached(next: Next, data: ConsensusReached, event: Event): void {
  const index = take(next, data.groupId);
  if (index === undefined) {
    return;
  }
  putGroup(next, index, {
    ...groupState(next, index),
    phase: 'completed',
    queued: false,
    votes: data.votes,
    winners: numbered(next, data.winners),
    dissent: numbered(next, data.dissent),
    decidedBy: data.decidedBy,
    share: data.share ?? 0,
    failure: undefined,
    finishedAt: event.at,
  });
  settleGroup(next, index);
}

export function applyConsensusFailed(next: Next, data: ConsensusFailed, event: Event): void {
  const index = take(next, data.groupId);
  if (index === undefined) {
    return;
  }
  putGroup(next, index, {
    ...groupState(next, index),
    phase: 'failed',
    queued: false,
    votes: data.votes,
    failure: data.failure,
    finishedAt: event.at,
  });
  const alternative = data.fallbackStepId === undefined ? undefined : next.config.unitIndex.get(data.fallbackStepId);
  applyHandling(next, next.config.units.length + index, data.failure, data.handling, alternative);
}
