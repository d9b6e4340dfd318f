import { kindOf } from '../kinds/index.js';
import { heapInsert, heapPop, type Heap } from '../structures/heap.js';
import { waitsForDependencies, nextCheck } from './dependencies.js';
import { compiledUnit } from './nodes.js';
import { unitState, type State, type Next } from './state.js';
import { isAsked } from './unit-state.js';

/** Tag of the deadline of a whole step. Attempts count from 1. */
export const STEP_DEADLINE = 0;

function isReady(state: State, entry: Heap): boolean {
  return unitState(state, entry.item).phase === 'ready';
}

function isDueRetry(state: State, entry: Heap): boolean {
  const unit = unitState(state, entry.item);
  return unit.phase === 'backoff' && unit.attempt === entry.tag && unit.retryAt === entry.key;
}

/** Epoch ms by which the running attempt must start or show a sign of life. Undefined without such a limit. */
export function attemptDeadline(state: State, index: number): number | undefined {
  const unit = unitState(state, index);
  const compiled = compiledUnit(state, index);
  if (unit.heartbeatAt > 0) {
    return compiled.heartbeatMs > 0 ? unit.heartbeatAt + compiled.heartbeatMs : undefined;
  }
  return compiled.scheduleToStartMs > 0 ? unit.scheduledAt + compiled.scheduleToStartMs : undefined;
}

/** Epoch ms of the deadline of a unit that awaits something; 0 for none. */
function awaitsUntil(state: State, index: number): number | undefined {
  const unit = unitState(state, index);
  const compiled = compiledUnit(state, index);
  if (compiled.kind === 'tool' && isAsked(unit)) {
    return unit.approval?.deadlineAt;
  }
  if (unit.child?.attempt !== undefined) {
    return unit.child.attempt.deadlineAt;
  }
  return kindOf(compiled).awaitsUntil(unit);
}

/** Epoch ms by which an attempt that a child makes is over; 0 when the config sets no limit. */
export function attemptDeadlineOfChild(state: State, index: number): number {
  const { scheduledAt, firstScheduledAt } = unitState(state, index);
  const { limitMs, scheduleToCloseMs } = compiledUnit(state, index);
  const limits = [
    ...(limitMs > 0 ? [scheduledAt + limitMs] : []),
    ...(scheduleToCloseMs > 0 ? [firstScheduledAt + scheduleToCloseMs] : []),
  ];
  return limits.length === 0 ? 0 : Math.min(...limits);
}

function isLiveDeadline(state: State, entry: Heap): boolean {
  const unit = unitState(state, entry.item);
  if (entry.tag !== STEP_DEADLINE) {
    return unit.phase === 'running' && unit.attempt === entry.tag && attemptDeadline(state, entry.item) === entry.key;
  }
  if (unit.phase === 'awaiting') {
    return awaitsUntil(state, entry.item) === entry.key;
  }
  if (unit.firstScheduledAt + compiledUnit(state, entry.item).scheduleToCloseMs !== entry.key) {
    return false;
  }
  switch (unit.phase) {
    case 'ready':
    case 'running':
    case 'failing':
    case 'backoff':
    case 'interrupted':
    case 'calling':
    // Between two iterations.
    case 'evaluating':
      return true;
    case 'waiting':
    case 'completed':
    case 'failed':
    case 'skipped':
      return false;
    default:
      return unit.phase satisfies never;
  }
}

function dropped(
  state: State,
  heap: Heap | undefined,
  isLive: (state: State, entry: Heap) => boolean,
): Heap | undefined {
  let top = heap;
  while (top !== undefined && !isLive(state, top)) {
    top = heapPop(top);
  }
  return top;
}

/** Removes outdated entries from the tops, so that the tops are always valid. */
export function dropStaleTimers(next: Next): void {
  if (next.ready !== undefined) {
    next.ready = dropped(next, next.ready, isReady);
  }
  if (next.readyApprovals !== undefined) {
    next.readyApprovals = dropped(next, next.readyApprovals, isReady);
  }
  if (next.retries !== undefined) {
    next.retries = dropped(next, next.retries, isDueRetry);
  }
  if (next.toolRetries !== undefined) {
    next.toolRetries = dropped(next, next.toolRetries, isDueRetry);
  }
  if (next.deadlines !== undefined) {
    next.deadlines = dropped(next, next.deadlines, isLiveDeadline);
  }
}

export function addRetry(next: Next, index: number, at: number, attempt: number): void {
  if (compiledUnit(next, index).takesSlot) {
    next.retries = heapInsert(next.retries, at, index, attempt);
  } else {
    next.toolRetries = heapInsert(next.toolRetries, at, index, attempt);
  }
}

export function addDeadline(next: Next, index: number, at: number, tag: number): void {
  next.deadlines = heapInsert(next.deadlines, at, index, tag);
}

/** Whether a slot is free for one more attempt. */
export function hasFreeSlot(state: State): boolean {
  return state.slots < state.config.parallelLimit;
}

/**
 * The unit whose turn it is: the first in the list that may start. Units that need no slot also wait for their turn.
 */
export function nextReady(state: State): number | undefined {
  if (state.config.oneAtATime && state.active > 0) {
    return undefined;
  }
  const agent = hasFreeSlot(state) ? state.ready : undefined;
  const human = state.readyApprovals;
  return human !== undefined && (agent === undefined || human.key < agent.key) ? human.item : agent?.item;
}

/**
 * Epoch ms of the next event that time alone causes: a lower bound. Undefined when the execution has ended. During a
 * pause only the execution's own deadline counts, and other due events happen at the resume.
 */
export function nextWake(state: State): number | undefined {
  switch (state.status) {
    case 'completed':
    case 'failed':
    case 'cancelled':
      return undefined;
    case 'paused':
      return state.deadlineAt;
    case 'pending':
      if (state.started === undefined) {
        return undefined;
      }
      if (state.dependencies !== undefined && waitsForDependencies(state)) {
        const checks = state.dependencies.filter((each) => each.ended === undefined).map(nextCheck);
        return Math.min(state.deadlineAt, ...checks);
      }
      // Its time has come, and it waits for a place.
      if (state.place !== undefined && (state.started.startAt ?? 0) <= state.at) {
        return state.deadlineAt;
      }
      return Math.min(state.deadlineAt, state.started.startAt ?? state.deadlineAt);
    case 'running':
    case 'compensation': {
      let wake = Math.min(state.deadlineAt, state.deadlines?.key ?? state.deadlineAt);
      // Without a free slot a due attempt waits for a result, not for time. After an exceeded budget, only
      // compensations have attempts.
      const spentOut = state.exceeded !== undefined && state.status === 'running';
      if (state.retries !== undefined && hasFreeSlot(state) && !spentOut) {
        wake = Math.min(wake, state.retries.key);
      }
      if (state.toolRetries !== undefined && !spentOut) {
        wake = Math.min(wake, state.toolRetries.key);
      }
      return wake;
    }
    default:
      return state.status satisfies never;
  }
}
