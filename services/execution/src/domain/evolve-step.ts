import type {
  EvaluationRecorded,
  ReusedApproval,
  EvaluationRequested,
  Event,
  StepAttemptFailed,
  StepCompleted,
  StepFailed,
  StepProgressed,
  StepReused,
  StepScheduled,
  StepSkipped,
} from '@batuta/contracts';
import { noteControl } from './evolve-execution.js';
import { parseKey } from './expressions/evaluations.js';
import {
  applyHandling,
  castVote,
  compiledGroup,
  compiledUnit,
  makeReady,
  putGroup,
  putUnit,
  queueGroup,
  settleGroup,
  settleUnit,
} from './fold/settle.js';
import type { Spending } from './budget/spending.js';
import { groupState, unitState, type Next } from './state/state.js';
import { addDeadline, addRetry, attemptDeadline, STEP_DEADLINE } from './state/timers.js';
import type { ApprovalState } from './state/unit-state.js';

/** Whatever happens first starts an execution that waited for its time. */
export function begin(next: Next, at: number): void {
  // A step skipped before start_at does not make the execution start.
  if (next.status === 'pending' && (next.started?.startAt ?? 0) <= at) {
    next.status = 'running';
    next.startedAt = at;
  }
}

export function applyStepScheduled(next: Next, data: StepScheduled, event: Event): void {
  begin(next, event.at);
  const index = next.config.unitIndex.get(data.stepId);
  if (index === undefined) {
    return;
  }
  const unit = unitState(next, index);
  const compiled = compiledUnit(next, index);
  const firstScheduledAt = unit.firstScheduledAt || event.at;
  putUnit(next, index, {
    ...unit,
    phase: 'running',
    attempt: data.attempt,
    firstScheduledAt,
    scheduledAt: event.at,
    heartbeatAt: 0,
    progress: 0,
    progressMessage: '',
    retryAt: 0,
  });
  if (unit.firstScheduledAt === 0 && compiled.scheduleToCloseMs > 0) {
    addDeadline(next, index, firstScheduledAt + compiled.scheduleToCloseMs, STEP_DEADLINE);
  }
  const deadline = attemptDeadline(next, index);
  if (deadline !== undefined) {
    addDeadline(next, index, deadline, data.attempt);
  }
  noteGroupStart(next, index, event.at);
}

/** A group begins with the first of its members. */
export function noteGroupStart(next: Next, index: number, at: number): void {
  const { group } = compiledUnit(next, index);
  const before = group === -1 ? undefined : groupState(next, group);
  if (before?.startedAt === 0) {
    putGroup(next, group, { ...before, startedAt: at });
  }
}

export function applyStepProgressed(next: Next, data: StepProgressed, event: Event): void {
  const index = next.config.unitIndex.get(data.stepId);
  if (index === undefined) {
    return;
  }
  const unit = unitState(next, index);
  if (unit.phase !== 'running' || unit.attempt !== data.attempt) {
    return;
  }
  putUnit(next, index, {
    ...unit,
    heartbeatAt: event.at,
    startedAt: unit.startedAt || event.at,
    progress: data.progress ?? unit.progress,
    progressMessage: data.message ?? unit.progressMessage,
  });
  const deadline = attemptDeadline(next, index);
  if (deadline !== undefined) {
    addDeadline(next, index, deadline, data.attempt);
  }
}

/** Every attempt counts, whatever came of it. */
function spend(next: Next, { tokenCount = 0, estimatedCost = 0 }: Spending): void {
  next.tokenCount += tokenCount;
  next.cost += estimatedCost;
  next.spentTokens += tokenCount;
  next.spentCost += estimatedCost;
}

export function applyStepCompleted(next: Next, data: StepCompleted): void {
  const index = next.config.unitIndex.get(data.stepId);
  if (index === undefined) {
    return;
  }
  const unit = unitState(next, index);
  const compiled = compiledUnit(next, index);
  putUnit(next, index, {
    ...unit,
    phase: 'completed',
    attempt: data.attempt,
    output: data.output ?? null,
    failure: undefined,
    startedAt: data.startedAt,
    finishedAt: data.finishedAt,
    tokenCount: unit.tokenCount + (data.tokenCount ?? 0),
    cost: unit.cost + (data.estimatedCost ?? 0),
    agentVersion: data.agentVersion ?? '',
  });
  spend(next, data);
  if (compiled.compensation !== -1) {
    next.undoable = { head: index, tail: next.undoable };
  }
  if (compiled.kind === 'compensation') {
    next.undoable = next.undoable?.tail;
    next.undone = { head: compiled.compensates, tail: next.undone };
  }
  settleUnit(next, index);
  if (compiled.kind === 'judge') {
    queueGroup(next, compiled.group);
  }
}

export function applyStepAttemptFailed(next: Next, data: StepAttemptFailed): void {
  const index = next.config.unitIndex.get(data.stepId);
  if (index === undefined) {
    return;
  }
  const unit = unitState(next, index);
  putUnit(next, index, {
    ...unit,
    phase: data.retryAt === undefined ? 'failing' : 'backoff',
    failures: unit.failures + 1,
    unreported: data.byEngine === true ? [...unit.unreported, data.attempt] : unit.unreported,
    failure: data.failure,
    startedAt: data.startedAt,
    finishedAt: data.finishedAt,
    retryAt: data.retryAt ?? 0,
    tokenCount: unit.tokenCount + (data.tokenCount ?? 0),
    cost: unit.cost + (data.estimatedCost ?? 0),
  });
  spend(next, data);
  if (data.retryAt !== undefined) {
    addRetry(next, index, data.retryAt, data.attempt);
  }
}

export function applyStepFailed(next: Next, data: StepFailed, event: Event): void {
  begin(next, event.at);
  const index = next.config.unitIndex.get(data.stepId);
  if (index === undefined) {
    return;
  }
  const unit = unitState(next, index);
  const compiled = compiledUnit(next, index);
  putUnit(next, index, {
    ...unit,
    phase: 'failed',
    failure: data.failure,
    finishedAt: unit.finishedAt || event.at,
  });
  if (compiled.kind === 'compensation') {
    if (next.compensation !== undefined) {
      next.compensation = { ...next.compensation, stopped: true };
    }
    settleUnit(next, index);
    return;
  }
  if (compiled.kind === 'judge') {
    settleUnit(next, index);
    queueGroup(next, compiled.group);
    return;
  }
  if (next.status === 'compensation') {
    return;
  }
  const alternative = data.fallbackStepId === undefined ? undefined : next.config.unitIndex.get(data.fallbackStepId);
  applyHandling(next, index, data.failure, data.handling, alternative);
}

export function applyStepSkipped(next: Next, data: StepSkipped, event: Event): void {
  begin(next, event.at);
  if (data.reason === 'requested') {
    const { by = '', comment = '' } = data;
    noteControl(next, 'skip', { by, reason: comment }, event, data.stepId);
  }
  const index = next.config.unitIndex.get(data.stepId);
  if (index === undefined) {
    const group = next.config.groupIndex.get(data.stepId);
    if (group !== undefined) {
      putGroup(next, group, { ...groupState(next, group), phase: 'skipped', queued: false, finishedAt: event.at });
      if (next.decidable?.head === group) {
        next.decidable = next.decidable.tail;
      }
      settleGroup(next, group);
    }
    return;
  }
  const unit = unitState(next, index);
  const outstanding = unit.phase === 'running';
  putUnit(next, index, {
    ...unit,
    phase: 'skipped',
    skipReason: data.reason,
    unreported: outstanding ? [...unit.unreported, unit.attempt] : unit.unreported,
    finishedAt: event.at,
  });
  settleUnit(next, index);
}

function approvalOf(reused: ReusedApproval): ApprovalState {
  const {
    message,
    input,
    approvers = [],
    requestedAt,
    decidedAt,
    by = '',
    comment = '',
    data,
    timedOut = false,
  } = reused;
  const decision = { approved: true, by, comment, data, timedOut, at: decidedAt };
  return { requestedAt, message, input, deadlineAt: 0, approvers, decision };
}

export function applyStepReused(next: Next, data: StepReused, event: Event): void {
  const index = next.config.unitIndex.get(data.stepId);
  if (index !== undefined) {
    const unit = unitState(next, index);
    const approval = data.approval === undefined ? unit.granted?.approval : approvalOf(data.approval);
    if (data.ifEqual === true && approval !== undefined) {
      putUnit(next, index, { ...unit, granted: { output: data.output ?? null, approval } });
      return;
    }
    begin(next, event.at);
    putUnit(next, index, {
      ...unit,
      phase: 'completed',
      output: data.output ?? null,
      reused: true,
      finishedAt: event.at,
      approval,
      granted: undefined,
    });
    settleUnit(next, index);
    return;
  }
  const group = next.config.groupIndex.get(data.stepId);
  if (group === undefined) {
    return;
  }
  putGroup(next, group, {
    ...groupState(next, group),
    phase: 'completed',
    reusedOutput: data.output ?? null,
    finishedAt: event.at,
  });
  for (const member of compiledGroup(next, group).members) {
    putUnit(next, member, { ...unitState(next, member), phase: 'skipped', skipReason: 'reused' });
    settleUnit(next, member);
  }
  settleGroup(next, group);
}

export function applyEvaluationRequested(next: Next, data: EvaluationRequested, event: Event): void {
  begin(next, event.at);
  const { purpose, subject } = parseKey(data.key);
  if (purpose === 'output') {
    next.evaluatingOutput = true;
    return;
  }
  const index = next.config.unitIndex.get(subject);
  if (index === undefined) {
    return;
  }
  const unit = unitState(next, index);
  if (purpose === 'vote') {
    if (unit.ballot === 'open') {
      putUnit(next, index, { ...unit, ballot: 'evaluating' });
    }
    if (next.votesToEvaluate?.head === index) {
      next.votesToEvaluate = next.votesToEvaluate.tail;
    }
    return;
  }
  putUnit(next, index, { ...unit, phase: 'evaluating' });
}

export function applyEvaluationRecorded(next: Next, data: EvaluationRecorded): void {
  const { purpose, subject } = parseKey(data.key);
  const values = data.values ?? [];
  if (purpose === 'output') {
    next.evaluatingOutput = false;
    if (data.failure === undefined) {
      next.outputValues = values;
    } else {
      next.aborted ??= { failure: data.failure, node: -1 };
    }
    return;
  }
  const index = next.config.unitIndex.get(subject);
  if (index === undefined) {
    return;
  }
  const unit = unitState(next, index);
  if (purpose === 'vote') {
    // Earlier versions asked the sandbox for paths that are now read in place: such a vote is cast already.
    if (unit.ballot !== 'evaluating') {
      return;
    }
    castVote(
      next,
      index,
      data.failure === undefined ? 'cast' : 'none',
      data.failure === undefined ? (values[0] ?? null) : undefined,
    );
    return;
  }
  if (unit.phase !== 'evaluating') {
    return;
  }
  if (data.failure !== undefined) {
    putUnit(next, index, { ...unit, phase: 'failing', failure: data.failure });
    return;
  }
  putUnit(
    next,
    index,
    purpose === 'when'
      ? { ...unit, whenValue: values[0] ?? null, whenEvaluated: true }
      : { ...unit, inputValues: values },
  );
  makeReady(next, index);
}
