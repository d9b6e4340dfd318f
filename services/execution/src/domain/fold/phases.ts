import type { Event } from '@batuta/contracts';
import { closeChild, closeChildren } from './children.js';
import { waitsForDependencies } from '../state/dependencies.js';
import { waitsForPlace } from '../state/place.js';
import { compiledUnit, isActive, putGroup, putUnit } from '../state/nodes.js';
import { groupState, unitState, type Next } from '../state/state.js';

/** The first event after the start time begins a waiting execution. */
export function begin(next: Next, at: number): void {
  // A step that is skipped before start_at, or while the execution waits for others, does not begin the execution.
  if (
    next.status === 'pending' &&
    (next.started?.startAt ?? 0) <= at &&
    !waitsForDependencies(next) &&
    !waitsForPlace(next)
  ) {
    next.status = 'running';
    next.startedAt = at;
  }
}

/** A group begins with its first member. */
export function beginGroup(next: Next, index: number, at: number): void {
  const { group } = compiledUnit(next, index);
  const before = group === -1 ? undefined : groupState(next, group);
  if (before?.startedAt === 0) {
    putGroup(next, group, { ...before, startedAt: at });
  }
}

/** The execution has ended. */
export function end(next: Next, status: 'completed' | 'failed' | 'cancelled', event: Event): void {
  closeChildren(next, event);
  next.status = status;
  next.completedAt = event.at;
  next.pausedAt = 0;
}

/** A compensation begins: only running attempts still matter, and all other pending work is dropped. */
export function leaveOnlyRunning(next: Next, event: Event): void {
  for (const { index } of next.config.units) {
    const unit = unitState(next, index);
    if (unit.phase === 'ready' || (isActive(unit.phase) && unit.phase !== 'running')) {
      closeChild(next, index, event, true);
      putUnit(next, index, { ...unitState(next, index), phase: 'waiting', selected: false });
    }
  }
}
