import type { Group, Unit } from '../graph/compiled.js';
import { heapInsert } from '../structures/heap.js';
import { unitState, type Next, type State } from './state.js';
import type { GroupState, UnitPhase, UnitState } from './unit-state.js';

export function compiledUnit(state: State, index: number): Unit {
  return state.config.units[index] as Unit;
}

export function compiledGroup(state: State, index: number): Group {
  return state.config.groups[index] as Group;
}

/** Between its first start and its end, for strategies of one step at a time. */
export function isActive(phase: UnitPhase): boolean {
  switch (phase) {
    case 'evaluating':
    case 'running':
    case 'failing':
    case 'backoff':
    case 'interrupted':
    case 'awaiting':
    case 'calling':
      return true;
    case 'waiting':
    case 'ready':
    case 'completed':
    case 'failed':
    case 'skipped':
      return false;
    default:
      return phase satisfies never;
  }
}

/** A step that waits for its tools or its child keeps its slot, and they take none. Other waiting steps take none. */
function holdsSlot(phase: UnitPhase, takesSlot: boolean): boolean {
  return takesSlot && (phase === 'running' || phase === 'calling' || phase === 'awaiting');
}

/** Replaces a unit's state and keeps the counters correct. */
export function putUnit(next: Next, index: number, unit: UnitState): void {
  const before = unitState(next, index).phase;
  next.units = next.units.set(index, unit);
  if (before !== unit.phase) {
    const { takesSlot } = compiledUnit(next, index);
    next.slots += (holdsSlot(unit.phase, takesSlot) ? 1 : 0) - (holdsSlot(before, takesSlot) ? 1 : 0);
    next.running += (unit.phase === 'running' ? 1 : 0) - (before === 'running' ? 1 : 0);
    next.active += (isActive(unit.phase) ? 1 : 0) - (isActive(before) ? 1 : 0);
  }
}

export function putGroup(next: Next, index: number, group: GroupState): void {
  next.groups = next.groups.set(index, group);
}

export function makeReady(next: Next, index: number): void {
  putUnit(next, index, { ...unitState(next, index), phase: 'ready' });
  const { order, takesSlot } = compiledUnit(next, index);
  if (takesSlot) {
    next.ready = heapInsert(next.ready, order, index, 0);
  } else {
    next.readyApprovals = heapInsert(next.readyApprovals, order, index, 0);
  }
}

/** Selects a fallback, a judge or a compensation, so that it runs when its dependencies allow. */
export function select(next: Next, index: number): void {
  const unit = unitState(next, index);
  if (unit.selected || unit.phase !== 'waiting') {
    return;
  }
  putUnit(next, index, { ...unit, selected: true });
  if (unit.waitingFor === 0) {
    makeReady(next, index);
  }
}

/** The main node at the end of a chain of fallbacks. */
export function rootNode(state: State, node: number): number {
  let current = node;
  for (let length = 0; length <= state.config.stepCount; length++) {
    const target = state.config.units[current]?.fallbackFor ?? -1;
    if (target === -1) {
      break;
    }
    current = target;
  }
  return current;
}
