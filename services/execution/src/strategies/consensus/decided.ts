import { putGroup } from '../../domain/state/nodes.js';
import { groupState, type List, type Next } from '../../domain/state/state.js';
import type { GroupState } from '../../domain/state/unit-state.js';

/** The list without an item. The item is the head, unless an earlier version decided the groups in another order. */
function without(list: List<number> | undefined, item: number): List<number> | undefined {
  if (list === undefined || list.head === item) {
    return list?.tail;
  }
  const tail = without(list.tail, item);
  return tail === list.tail ? list : { head: list.head, tail };
}

/**
 * Records a group's outcome and removes the group from the list of undecided ones. Returns its number, or undefined
 * when the config has no such group.
 */
export function putDecidedGroup(next: Next, id: string, outcome: Partial<GroupState>): number | undefined {
  const index = next.config.groupIndex.get(id);
  if (index !== undefined) {
    next.decidable = without(next.decidable, index);
    putGroup(next, index, { ...groupState(next, index), ...outcome, queued: false });
  }
  return index;
}
