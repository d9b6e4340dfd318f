import { FAILURE_CODES } from '@batuta/contracts';
import type { Draft } from '../draft.js';
import { endChild, replaceChild } from '../kinds/orchestration/child.js';
import type { ChildState } from '../kinds/orchestration/child-state.js';
import { orchestrationOf } from '../kinds/orchestration/rules.js';
import { compiledUnit } from '../state/nodes.js';
import { dependencyOf } from '../state/dependencies.js';
import { isTerminal, unitState } from '../state/state.js';
import { waitsForChild } from '../state/unit-state.js';
import { cancelExecution } from './cancel.js';
import type { ObeyParent, Outcome, RecordChildAnswer, RecordChildEnd, Rejection } from './command.js';
import { recordDependencyEnd } from './dependencies.js';
import { pauseExecution } from './pause.js';
import { resumeExecution } from './resume.js';
import { retryExecution } from './retry-execution.js';
import { terminateExecution } from './terminate.js';

/** The step that has this child, and the child's state. */
function stepOf(draft: Draft, childId: string): { readonly index: number; readonly child: ChildState } | undefined {
  for (const index of draft.state.config.childUnits) {
    const { child } = unitState(draft.state, index);
    if (child?.id === childId) {
      return { index, child };
    }
  }
  return undefined;
}

/** Records the outcome of starting or continuing a child. */
export function recordChildAnswer(draft: Draft, command: RecordChildAnswer): Outcome {
  const found = stepOf(draft, command.childId);
  if (found === undefined || isTerminal(draft.state.status)) {
    return 'stale';
  }
  const { index, child } = found;
  const unit = compiledUnit(draft.state, index);
  const rules = orchestrationOf(unit);
  const awaiting = waitsForChild(unitState(draft.state, index));
  if (
    (rules === undefined && child.attempt === undefined) ||
    child.started !== undefined ||
    child.ended !== undefined
  ) {
    return 'stale';
  }
  if (command.outcome === 'started') {
    const { configId, configName, configVersion, version, ended } = command.facts;
    draft.emit({
      type: 'ChildStarted',
      data: { childId: child.id, childVersion: version, configId, configName, configVersion, stepId: unit.id },
    });
    const started = unitState(draft.state, index).child;
    if (ended !== undefined && started !== undefined) {
      endChild(draft, unit, started, ended);
    }
    return 'recorded';
  }
  if (command.outcome === 'gone' && awaiting) {
    replaceChild(draft, unit, child);
    return 'recorded';
  }
  draft.emit({ type: 'ChildEnded', data: { childId: child.id, status: 'refused', stepId: unit.id } });
  if (command.outcome === 'gone' || !awaiting) {
    return 'recorded';
  }
  const { code, message } = command.refusal;
  if (child.attempt !== undefined) {
    const failure = { code: FAILURE_CODES.childRefused, message: `${child.config}: ${message}`, retryable: false };
    draft.failAttempt(index, failure, draft.engineTimes(index), true);
    return 'recorded';
  }
  draft.failStep(unit.kind === 'lane' ? unit.caller : index, {
    code: FAILURE_CODES.childRefused,
    message: `an execution of config ${child.config} cannot be started (${code}): ${message}`,
    retryable: false,
    details: { config: child.config, code },
  });
  return 'recorded';
}

/**
 * A child reports its end. Before its start is recorded, it is unknown which of its runs has ended, so it must report
 * again.
 */
export function recordChildEnd(draft: Draft, { childId, end }: RecordChildEnd): Outcome {
  const dependency = dependencyOf(draft.state, childId);
  if (dependency !== undefined) {
    return recordDependencyEnd(draft, dependency, end);
  }
  const found = stepOf(draft, childId);
  if (found === undefined || isTerminal(draft.state.status) || found.child.ended !== undefined) {
    return 'stale';
  }
  const { child, index } = found;
  if (child.started === undefined) {
    return waitsForChild(unitState(draft.state, index)) ? 'later' : 'stale';
  }
  if ((end.version ?? 0) <= child.started.since && end.deleted !== true) {
    return 'stale';
  }
  endChild(draft, compiledUnit(draft.state, index), child, end);
  return 'recorded';
}

/** Follows a command of the parent. Only the newest command counts, however late or often others arrive. */
export function obeyParent(draft: Draft, command: ObeyParent): Outcome {
  const { started, status, commanded } = draft.state;
  const { order } = command;
  if (started?.parent?.executionId !== command.from) {
    return 'stale';
  }
  // A repeat gets the same answer, and `ask` gets the current status.
  if (command.command === 'ask' || order === commanded) {
    return 'recorded';
  }
  if (order < commanded) {
    return 'stale';
  }
  if (isTerminal(status)) {
    if (command.command !== 'retry' || typeof carryOut(draft, command) !== 'string') {
      return 'stale';
    }
    draft.emit({ type: 'ParentCommanded', data: { command: command.command, order } });
    return 'recorded';
  }
  const refused = carryOut(draft.trial(), command);
  draft.emit({
    type: 'ParentCommanded',
    data: { command: command.command, order, ...(typeof refused === 'string' ? {} : { refused: refused.code }) },
  });
  if (typeof refused === 'string') {
    carryOut(draft, command);
  }
  return 'recorded';
}

function carryOut(draft: Draft, { command, ...about }: ObeyParent): Outcome | Rejection {
  switch (command) {
    case 'pause':
      return pauseExecution(draft, { ...about, type: 'PauseExecution' });
    case 'resume':
      return resumeExecution(draft, { ...about, type: 'ResumeExecution' });
    case 'cancel':
      return cancelExecution(draft, { ...about, type: 'CancelExecution' });
    case 'terminate':
      return terminateExecution(draft, { ...about, type: 'TerminateExecution' });
    case 'retry':
      return retryExecution(draft, { ...about, type: 'RetryExecution' });
    case 'ask':
      return 'recorded';
    default:
      return command satisfies never;
  }
}
