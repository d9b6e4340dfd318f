import { FAILURE_CODES } from '@batuta/contracts';
import type { BudgetExceeded, Failure } from '@batuta/contracts';
import { scheduleAttempt } from '../kinds/agent/attempt.js';
import { budgetFailure, overspending } from '../budget/budget.js';
import { askForPlace } from './place.js';
import { waitsForPlace } from '../state/place.js';
import { planCompensation } from './compensation.js';
import { abort, complete, hasOpenEvaluation, stall } from './end.js';
import { decideGroup } from '../../strategies/consensus/outcome.js';
import type { Draft } from '../draft.js';
import { evaluationKey } from '../expressions/evaluations.js';
import { nodeId } from '../state/results.js';
import { compiledUnit } from '../state/nodes.js';
import { request } from './request.js';
import { applyGuards, startUnit, startWithInput } from './start-unit.js';
import { failedDependency, waitsForDependencies, type DependencyState } from '../state/dependencies.js';
import type { State } from '../state/state.js';
import { advanceMaps, wantsChunk } from '../kinds/map/advance.js';
import { callModel } from '../kinds/llm/model-call.js';
import { judgeIteration } from '../repeat/iterate.js';
import { advance, awaitsTurn } from '../kinds/llm/turn.js';
import { advanceRoutes, hasOpenRoute } from '../kinds/route/advance.js';
import { hasFreeSlot, nextReady } from '../state/timers.js';

/**
 * Emits all events that follow from the state by itself, one choice at a time: the end of the execution, the outcome of
 * a group, due attempts, new steps. Nothing happens during a pause or after the end. @throws RangeError when choices
 * never end. That is a bug, and an error is better than a blocked engine.
 */
export function plan(draft: Draft): void {
  const { units, groups } = draft.state.config;
  // Each unit has only a few events before outside input is needed. More of them would mean that a rule reverts itself.
  const most = draft.events.length + 10 * (units.length + groups.length) + 10;
  for (;;) {
    const before = draft.events.length;
    step(draft);
    if (draft.events.length === before) {
      return;
    }
    if (draft.events.length > most) {
      throw new RangeError(`the plan of ${draft.state.executionId} does not come to an end`);
    }
  }
}

function step(draft: Draft): void {
  const { state, at } = draft;
  if (state.status === 'compensation') {
    planCompensation(draft);
    return;
  }
  if (state.status === 'pending') {
    const failed = failedDependency(state);
    if (failed !== undefined) {
      abort(draft, { failure: dependencyFailure(failed), node: -1 });
      return;
    }
    // The key of its place could not be evaluated.
    if (state.place !== undefined && state.aborted !== undefined) {
      abort(draft, state.aborted);
      return;
    }
  }
  const due = state.status === 'running' || (state.status === 'pending' && isDue(state, at));
  if (!due) {
    return;
  }
  if (state.status === 'pending' && waitsForPlace(state)) {
    askForPlace(draft);
    return;
  }
  const excess = state.exceeded === undefined ? overspending(state) : undefined;
  if (excess !== undefined) {
    draft.emit({ type: 'BudgetExceeded', data: excess });
    return;
  }
  if (state.aborted !== undefined) {
    abort(draft, state.aborted);
    return;
  }
  if (state.votesToEvaluate !== undefined) {
    request(draft, evaluationKey('vote', nodeId(state, state.votesToEvaluate.head)));
    return;
  }
  if (state.decidable !== undefined) {
    decideGroup(draft, state.decidable.head);
    return;
  }
  if (state.config.loopUnits.length > 0 && judgeIteration(draft)) {
    return;
  }
  if (state.config.mapUnits.length > 0 && advanceMaps(draft, state.exceeded === undefined)) {
    return;
  }
  if (state.exceeded !== undefined) {
    goOnForNothing(draft, state.exceeded);
    return;
  }
  if (state.config.modelUnits.length > 0 && advance(draft)) {
    return;
  }
  if (state.config.routeUnits.length > 0 && advanceRoutes(draft)) {
    return;
  }
  if (state.toolRetries !== undefined && state.toolRetries.key <= at) {
    scheduleAttempt(draft, state.toolRetries.item);
    return;
  }
  if (hasFreeSlot(state) && state.retries !== undefined && state.retries.key <= at) {
    startAgain(draft, state.retries.item);
    return;
  }
  const ready = nextReady(state);
  if (ready !== undefined) {
    startUnit(draft, ready);
    return;
  }
  if (state.unsettled === 0) {
    complete(draft);
    return;
  }
  if (state.ready === undefined && state.active === 0 && !hasOpenEvaluation(state)) {
    stall(draft);
  }
}

/**
 * The next attempt of a unit, or its next iteration. A call of a model is put together anew, since what it may spend is another
 * sum; an iteration has an input of its own.
 */
function startAgain(draft: Draft, index: number): void {
  const unit = compiledUnit(draft.state, index);
  if (unit.repeat !== undefined) {
    startWithInput(draft, unit);
  } else if (unit.work.kind === 'llm') {
    callModel(draft, unit);
  } else {
    scheduleAttempt(draft, index);
  }
}

/**
 * The budget is exceeded. Work without cost still happens (a group is decided, a step with a false condition is
 * skipped, a human decides), so that a paid result is not lost. When an attempt runs or would have to run, the
 * execution ends.
 */
function goOnForNothing(draft: Draft, exceeded: BudgetExceeded): void {
  const { state } = draft;
  if (state.unsettled === 0) {
    complete(draft);
    return;
  }
  const begun = awaitsTurn(state) || hasOpenRoute(state) || wantsChunk(state);
  if (state.running === 0 && state.retries === undefined && !begun) {
    // In parallel strategies agents come first: no approval is requested when an agent must run, because that ends the
    // execution.
    const next = (state.config.oneAtATime ? undefined : state.ready?.item) ?? nextReady(state);
    if (next !== undefined) {
      if (!compiledUnit(state, next).takesSlot) {
        startUnit(draft, next);
        return;
      }
      if (!applyGuards(draft, next)) {
        return;
      }
    } else if (state.active > 0 || hasOpenEvaluation(state)) {
      // The sandbox is evaluating a condition, a mapping or a vote, or an approval is waiting.
      return;
    }
  }
  abort(draft, { failure: budgetFailure(exceeded), node: -1 });
}

function isDue(state: State, at: number): boolean {
  return state.started !== undefined && (state.started.startAt ?? 0) <= at && !waitsForDependencies(state);
}

const HAS_ENDED = { completed: 'completed', failed: 'failed', cancelled: 'was cancelled' } as const;
const HAD_TO_END = { success: 'complete', failed: 'fail or be cancelled', finished: 'end' } as const;

/**
 * An execution that this one waits for has not ended as required. After it was continued, a user can retry this one.
 */
function dependencyFailure({ executionId, on, process, ended }: DependencyState): Failure {
  const named = process === '' ? `execution ${executionId}` : `process ${process} (execution ${executionId})`;
  return {
    code: FAILURE_CODES.dependencyFailed,
    message: `${named} ${HAS_ENDED[ended ?? 'failed']}, and had to ${HAD_TO_END[on]}`,
    retryable: false,
    details: { execution_id: executionId, on, ended: ended ?? 'failed', ...(process === '' ? {} : { process }) },
  };
}
