import type {
  BudgetExceeded,
  CompensationStarted,
  Event,
  ExecutionCancelled,
  ExecutionCompleted,
  ExecutionFailed,
  ExecutionPaused,
  ExecutionReopened,
  ExecutionResumed,
  ExecutionStarted,
} from '@batuta/contracts';
import { defaultOutput } from './state/results.js';
import { isActive, makeReady, putUnit } from './fold/settle.js';
import { unitState, type ControlState, type Next } from './state/state.js';

/** Keeps who did what, and why. */
export function noteControl(
  next: Next,
  command: ControlState['command'],
  data: { readonly by?: string; readonly reason?: string },
  event: Event,
  stepId = '',
): void {
  const { by = '', reason = '' } = data;
  next.controls = { head: { command, at: event.at, by, reason, stepId }, tail: next.controls };
}

export function applyExecutionStarted(next: Next, data: ExecutionStarted, event: Event): void {
  next.executionId = event.executionId;
  next.started = data;
  next.createdAt = event.at;
  next.deadlineAt = data.deadlineAt;
  if (data.startAt === undefined || data.startAt <= event.at) {
    next.status = 'running';
    next.startedAt = event.at;
  }
}

function finish(next: Next, status: 'completed' | 'failed' | 'cancelled', at: number): void {
  next.status = status;
  next.completedAt = at;
  next.pausedAt = 0;
}

export function applyExecutionCompleted(next: Next, data: ExecutionCompleted, event: Event): void {
  next.output = data.output === undefined ? defaultOutput(next) : data.output;
  finish(next, 'completed', event.at);
}

export function applyExecutionFailed(next: Next, data: ExecutionFailed, event: Event): void {
  next.failure = data.failure;
  // Only what the event names: after a compensation, a time-out may be what ended the execution.
  next.failedStepId = data.stepId ?? '';
  finish(next, 'failed', event.at);
}

export function applyExecutionCancelled(next: Next, data: ExecutionCancelled, event: Event): void {
  // An undoing that ends says again who had asked for it.
  if (data.terminated === true || next.status !== 'compensation') {
    noteControl(next, data.terminated === true ? 'terminate' : 'cancel', data, event);
  }
  finish(next, 'cancelled', event.at);
}

export function applyExecutionPaused(next: Next, data: ExecutionPaused, event: Event): void {
  next.status = 'paused';
  next.pausedAt = event.at;
  noteControl(next, 'pause', data, event);
  if (data.now !== true) {
    return;
  }
  for (const { index } of next.config.units) {
    const unit = unitState(next, index);
    if (unit.phase === 'running') {
      putUnit(next, index, { ...unit, phase: 'interrupted', unreported: [...unit.unreported, unit.attempt] });
    }
  }
}

export function applyExecutionResumed(next: Next, data: ExecutionResumed, event: Event): void {
  noteControl(next, 'resume', data, event);
  next.pausedAt = 0;
  // A retry does not wait for start_at: what has begun goes on.
  next.status = next.startedAt === 0 && (next.started?.startAt ?? 0) > event.at ? 'pending' : 'running';
  if (next.status === 'running' && next.startedAt === 0) {
    next.startedAt = event.at;
  }
  for (const { index } of next.config.units) {
    if (unitState(next, index).phase === 'interrupted') {
      makeReady(next, index);
    }
  }
}

export function applyCompensationStarted(next: Next, data: CompensationStarted, event: Event): void {
  if (data.cause === 'cancel') {
    noteControl(next, 'cancel', data, event);
  }
  next.status = 'compensation';
  next.pausedAt = 0;
  next.compensation = { cause: data.cause, reason: data.reason ?? '', by: data.by ?? '', stopped: false };
  if (data.failure !== undefined) {
    next.failure = data.failure;
  }
  next.failedStepId = data.stepId ?? '';
  leaveOnlyRunning(next);
}

function leaveOnlyRunning(next: Next): void {
  // Only attempts in flight still matter; everything else that was under way will not happen.
  for (const { index } of next.config.units) {
    const unit = unitState(next, index);
    if (unit.phase === 'ready' || (isActive(unit.phase) && unit.phase !== 'running')) {
      putUnit(next, index, { ...unit, phase: 'waiting', selected: false });
    }
  }
}

/**
 * The undoing goes on where it stopped: what was not undone gets its compensation anew, with its attempts counted from the start.
 * Attempts that the end of the execution stopped do not matter any more.
 */
export function applyExecutionReopened(next: Next, data: ExecutionReopened, event: Event): void {
  noteControl(next, 'compensate', data, event);
  const { reason = '', by = '' } = next.compensation ?? data;
  next.status = 'compensation';
  next.completedAt = 0;
  next.deadlineAt = data.deadlineAt;
  next.compensation = { cause: data.cause, reason, by, stopped: false };
  for (const { index, kind } of next.config.units) {
    const unit = unitState(next, index);
    const initial = next.config.initialUnits.get(index);
    const unreported = unit.phase === 'running' ? [...unit.unreported, unit.attempt] : unit.unreported;
    if (kind === 'compensation' && unit.phase !== 'completed' && initial !== undefined) {
      const { attempt, tokenCount, cost } = unit;
      putUnit(next, index, { ...initial, attempt, unreported, tokenCount, cost });
    } else if (unit.phase === 'running') {
      putUnit(next, index, { ...unit, phase: 'waiting', selected: false, unreported });
    }
  }
  leaveOnlyRunning(next);
}

export function applyBudgetExceeded(next: Next, data: BudgetExceeded): void {
  next.exceeded = data;
}
