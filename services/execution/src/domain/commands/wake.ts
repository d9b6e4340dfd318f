import { FAILURE_CODES, type Failure } from '@batuta/contracts';
import type { Unit } from '../graph/compiled.js';
import { decideCall } from '../kinds/llm/call.js';
import { isAsked, type UnitState } from '../state/unit-state.js';
import { kindOf } from '../kinds/index.js';
import type { Outcome } from './command.js';
import { checkDependencies } from './dependencies.js';
import type { Draft } from '../draft.js';
import { compensationOutcome } from '../plan/compensation.js';
import { plan } from '../plan/plan.js';
import { waitsForDependencies } from '../state/dependencies.js';
import { askedPlace } from '../state/place.js';
import { compiledUnit } from '../state/nodes.js';
import { isTerminal, unitState } from '../state/state.js';
import { STEP_DEADLINE } from '../state/timers.js';

/** Performs everything that is due, deadlines first: the execution's, then those of steps and attempts. */
export function wake(draft: Draft): Outcome {
  if (draft.state.started === undefined) {
    return 'unknown';
  }
  elapse(draft);
  return draft.events.length > 0 ? 'done' : 'stale';
}

/** Deadlines that have passed come before planning, because a step without time left must not be attempted again. */
export function elapse(draft: Draft): void {
  const { status, aborted } = draft.state;
  // A failure during the pause has already decided the end.
  if (status === 'running' && aborted !== undefined) {
    plan(draft);
  }
  while (!isTerminal(draft.state.status)) {
    if (draft.state.deadlineAt <= draft.at) {
      executionTimeout(draft);
    } else if (!fireDeadline(draft)) {
      break;
    }
    plan(draft);
  }
  checkDependencies(draft);
  plan(draft);
}

function executionTimeout(draft: Draft): void {
  const { state } = draft;
  draft.emit({
    type: 'ExecutionFailed',
    data: {
      failure: {
        code: FAILURE_CODES.executionTimeout,
        message: waitsForDependencies(state)
          ? 'the executions that it waits for did not end in time'
          : askedPlace(state)?.phase === 'waiting'
            ? 'no place was free in time'
            : `the execution did not end within ${state.config.timeoutMs} ms`,
        retryable: false,
      },
      ...(state.status === 'compensation' ? { compensation: compensationOutcome(state) } : {}),
    },
  });
}

/** Why an attempt that a child makes is over. */
function lateChild({ scheduleToCloseMs, limitMs }: Unit, { firstScheduledAt }: UnitState, at: number): Failure {
  if (scheduleToCloseMs > 0 && firstScheduledAt + scheduleToCloseMs <= at) {
    const message = `not done within ${scheduleToCloseMs} ms of being scheduled`;
    return { code: FAILURE_CODES.scheduleToClose, message, retryable: false };
  }
  return { code: FAILURE_CODES.timeout, message: `not done within ${limitMs} ms`, retryable: true };
}

/** Fires the earliest deadline of a step or attempt that has passed. */
function fireDeadline(draft: Draft): boolean {
  const { state } = draft;
  const due = state.deadlines;
  const counts = state.status === 'running' || state.status === 'compensation';
  if (!counts || due === undefined || due.key > draft.at) {
    return false;
  }
  const compiled = compiledUnit(state, due.item);
  const unit = unitState(state, due.item);
  if (unit.phase === 'awaiting') {
    const approval = compiled.tool?.approval;
    if (approval !== undefined && isAsked(unit)) {
      decideCall(draft, compiled, approval, { approved: approval.approvesOnTimeout, timedOut: true });
    } else if (unit.child?.attempt !== undefined) {
      draft.failAttempt(due.item, lateChild(compiled, unit, draft.at), draft.engineTimes(due.item), true);
    } else {
      kindOf(compiled).due(draft, compiled, compiled.work.rules);
    }
    return true;
  }
  if (due.tag !== STEP_DEADLINE) {
    const failure =
      unit.heartbeatAt > 0
        ? { code: FAILURE_CODES.heartbeatTimeout, message: `no heartbeat within ${compiled.heartbeatMs} ms` }
        : { code: FAILURE_CODES.scheduleToStart, message: `not started within ${compiled.scheduleToStartMs} ms` };
    draft.failAttempt(due.item, { ...failure, retryable: true }, draft.engineTimes(due.item), true);
    return true;
  }
  const failure = {
    code: FAILURE_CODES.scheduleToClose,
    message: `not done within ${compiled.scheduleToCloseMs} ms of being scheduled`,
    retryable: false,
  };
  if (unit.phase === 'running') {
    draft.failAttempt(due.item, failure, draft.engineTimes(due.item), true);
  } else {
    draft.failStep(due.item, failure);
  }
  return true;
}
