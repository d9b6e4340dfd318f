import type {
  BudgetExceeded,
  CompensationStarted,
  Event,
  ExecutionCancelled,
  ExecutionCompleted,
  ExecutionFailed,
  ExecutionPaused,
  ExecutionResumed,
  ExecutionStarted,
} from '@batuta/contracts';
import { defaultOutput } from './results.js';
import { isActive, makeReady, putUnit } from './settle.js';
import { unitState, type Next } from './state.js';

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

export function applyExecutionCancelled(next: Next, _data: ExecutionCancelled, event: Event): void {
  finish(next, 'cancelled', event.at);
}

export function applyExecutionPaused(next: Next, data: ExecutionPaused, event: Event): void {
  next.status = 'paused';
  next.pausedAt = event.at;
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

export function applyExecutionResumed(next: Next, _data: ExecutionResumed, event: Event): void {
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

export function applyCompensationStarted(next: Next, data: CompensationStarted): void {
  next.status = 'compensation';
  next.pausedAt = 0;
  next.compensation = { cause: data.cause, reason: data.reason ?? '', by: data.by ?? '', stopped: false };
  if (data.failure !== undefined) {
    next.failure = data.failure;
  }
  next.failedStepId = data.stepId ?? '';
  // Only attempts in flight still matter; everything else that was under way will not happen.
  for (const { index } of next.config.units) {
    const unit = unitState(next, index);
    if (unit.phase === 'ready' || (isActive(unit.phase) && unit.phase !== 'running')) {
      putUnit(next, index, { ...unit, phase: 'waiting', selected: false });
    }
  }
}

export function applyBudgetExceeded(next: Next, data: BudgetExceeded): void {
  next.exceeded = data;
}
