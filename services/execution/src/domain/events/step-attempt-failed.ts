import { commandsOfChildren } from '../effects/children.js';
import { closeChild } from '../fold/children.js';
import { stopOne } from '../effects/effect.js';
import { spend } from '../fold/spend.js';
import { putUnit } from '../state/nodes.js';
import { unitState } from '../state/state.js';
import { addRetry } from '../state/timers.js';
import { attemptMeasures } from './metrics.js';
import type { EventDefinition } from './definition.js';

export const stepAttemptFailed: EventDefinition<'StepAttemptFailed'> = {
  evolve(next, data, event) {
    const index = next.config.unitIndex.get(data.stepId);
    if (index === undefined) {
      return;
    }
    closeChild(next, index, event);
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
  },
  effects: ({ executionId, version, data: { stepId, attempt, failure, byEngine } }, stateAfter) =>
    byEngine === true
      ? [stopOne(executionId, stepId, attempt, failure.code), ...commandsOfChildren(stateAfter, version)]
      : [],
  spans: ({ data }) => [
    {
      change: 'attempt ended',
      stepId: data.stepId,
      attempt: data.attempt,
      outcome: 'failed',
      result: data,
      failure: data.failure,
      ...(data.retryAt === undefined ? {} : { retryAt: data.retryAt }),
    },
  ],
  measures: attemptMeasures,
  command: undefined,
};
