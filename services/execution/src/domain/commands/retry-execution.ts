import { LONGEST_DEPENDENCY_WAIT_MS } from '@batuta/contracts';
import { approvalOf } from '../kinds/approval/rules.js';
import type { Outcome, Rejection, RetryExecution } from './command.js';
import type { Draft } from '../draft.js';
import { ancestors } from '../expressions/evaluations.js';
import { seenNodes } from '../graph/seen-nodes.js';
import { waitsForDependencies } from '../state/dependencies.js';
import { groupState, unitState, type State } from '../state/state.js';
import { why } from './why.js';

/**
 * Approvals that a retry keeps, given or skipped by a condition, although a step before them runs again and may have
 * another output.
 */
function outdatedApprovals(after: State): string[] {
  return after.config.units.flatMap((unit) => {
    const { settled, skipReason } = unitState(after, unit.index);
    // A fallback that was not needed was never asked, and what it would have served is kept.
    if (approvalOf(unit) === undefined || !settled || skipReason === 'not_selected') {
      return [];
    }
    const before = ancestors(after, seenNodes(after.config, unit));
    return before.some((node) => !isSettled(after, node)) ? [unit.id] : [];
  });
}

function isSettled(state: State, node: number): boolean {
  const { units } = state.config;
  return node < units.length ? unitState(state, node).settled : groupState(state, node - units.length).settled;
}

/** Runs a failed or cancelled execution again from its failed steps. Completed ones are kept. */
export function retryExecution(draft: Draft, command: RetryExecution): Outcome | Rejection {
  const { state } = draft;
  switch (state.status) {
    case 'completed':
      return { code: 'already_completed', message: 'the execution has completed: there is nothing to retry' };
    case 'pending':
    case 'running':
    case 'paused':
    case 'compensation':
      return { code: 'not_retryable', message: `the execution is ${state.status}: only a finished one can be retried` };
    case 'failed':
    case 'cancelled':
      break;
    default:
      return state.status satisfies never;
  }
  if (state.undone !== undefined) {
    return { code: 'already_compensated', message: 'completed steps were undone: start a new execution instead' };
  }
  const limit = waitsForDependencies(state) ? LONGEST_DEPENDENCY_WAIT_MS : state.config.timeoutMs;
  const data = { deadlineAt: command.at + limit, ...why(command) };
  const askAgain = outdatedApprovals(draft.after({ type: 'ExecutionRetried', data }));
  draft.emit({ type: 'ExecutionRetried', data: askAgain.length === 0 ? data : { ...data, askAgain } });
  return 'done';
}
