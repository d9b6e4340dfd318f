import { LIMITS } from '@batuta/contracts';
import type { EndMessage } from '@batuta/contracts';
import type { Draft } from '../draft.js';
import { dependencyOf, endsAsAsked, isMet, isToAsk, nextCheck, type DependencyState } from '../state/dependencies.js';
import { isTerminal } from '../state/state.js';
import type { AddWaiter, Outcome, RecordDependencyAnswer } from './command.js';

/** Another execution wants to know the end. If this one has ended, it answers with its end and remembers nothing. */
export function addWaiter(draft: Draft, { waiterId, tenantId }: AddWaiter): Outcome {
  const { started, status, waiters = [] } = draft.state;
  if (started?.tenantId !== tenantId) {
    return 'unknown';
  }
  if (isTerminal(status) || waiters.includes(waiterId)) {
    return 'recorded';
  }
  if (waiters.length >= LIMITS.waiters) {
    return 'stale';
  }
  draft.emit({ type: 'WaiterAdded', data: { executionId: waiterId } });
  return 'recorded';
}

/** Records the answer of an execution that this one waits for. */
export function recordDependencyAnswer(draft: Draft, command: RecordDependencyAnswer): Outcome {
  const { dependencyId, order, ended } = command;
  const dependency = dependencyOf(draft.state, dependencyId);
  // An answer to an earlier question may concern an earlier run.
  if (dependency === undefined || isTerminal(draft.state.status) || dependency.asked !== order) {
    return 'stale';
  }
  if (!isToAsk(dependency)) {
    return 'stale';
  }
  if (ended === undefined) {
    draft.emit({ type: 'DependencyFound', data: { executionId: dependencyId } });
  } else {
    end(draft, dependency, ended);
  }
  return 'recorded';
}

/** An execution that this one waits for reports its end. */
export function recordDependencyEnd(draft: Draft, dependency: DependencyState, ended: EndMessage): Outcome {
  const known = isTerminal(draft.state.status) || dependency.ended !== undefined;
  if (known || (ended.version ?? 0) <= dependency.endVersion) {
    return 'stale';
  }
  end(draft, dependency, ended);
  return 'recorded';
}

function end(draft: Draft, { executionId, on }: DependencyState, { status, version = 0 }: EndMessage): void {
  const { dependencies = [], started, config } = draft.state;
  const begins =
    endsAsAsked(on, status) && dependencies.every((each) => each.executionId === executionId || isMet(each));
  const deadlineAt = Math.max(draft.at, started?.startAt ?? 0) + config.timeoutMs;
  draft.emit({
    type: 'DependencyEnded',
    data: { ...(begins ? { deadlineAt } : {}), executionId, status, version },
  });
}

/** Asks again about executions that have not reported anything. Does not ask during a pause. */
export function checkDependencies(draft: Draft): void {
  const { status, dependencies } = draft.state;
  if (status !== 'pending' || dependencies === undefined) {
    return;
  }
  const executionIds = dependencies
    .filter((each) => each.ended === undefined && nextCheck(each) <= draft.at)
    .map((each) => each.executionId);
  if (executionIds.length > 0) {
    draft.emit({ type: 'DependenciesChecked', data: { executionIds } });
  }
}
