import { begin, beginGroup } from '../fold/phases.js';
import { putUnit } from '../state/nodes.js';
import { unitState } from '../state/state.js';
import { addDeadline, attemptDeadlineOfChild, STEP_DEADLINE } from '../state/timers.js';
import { startOfChild } from '../effects/children.js';
import type { EventDefinition } from './definition.js';

export const childRequested: EventDefinition<'ChildRequested'> = {
  evolve(next, data, event) {
    const { stepId, childId, number, config, inputKey, resumed = false, budget, attempt } = data;
    begin(next, event.at);
    const index = next.config.unitIndex.get(stepId);
    if (index === undefined) {
      return;
    }
    const unit = unitState(next, index);
    const deadlineAt = attempt === undefined ? 0 : attemptDeadlineOfChild(next, index);
    putUnit(next, index, {
      ...unit,
      phase: 'awaiting',
      firstScheduledAt: unit.firstScheduledAt || event.at,
      scheduledAt: attempt === undefined ? event.at : unit.scheduledAt,
      startedAt: attempt === undefined ? unit.startedAt || event.at : event.at,
      child: {
        id: childId,
        number,
        requested: event.version,
        config,
        inputKey,
        budget,
        attempt:
          attempt === undefined
            ? undefined
            : { number: attempt, configId: data.configId ?? '', version: data.configVersion ?? 0, deadlineAt },
        resumed,
        started: undefined,
        ended: undefined,
        command: undefined,
        counted: resumed && unit.child?.id === childId ? unit.child.counted : { tokens: 0, cost: 0 },
      },
    });
    if (deadlineAt > 0) {
      addDeadline(next, index, deadlineAt, STEP_DEADLINE);
    }
    beginGroup(next, index, event.at);
  },
  effects: ({ data: { stepId } }, stateAfter) => startOfChild(stateAfter, stepId),
  spans: ({ data: { stepId, childId, config, number } }) => [
    {
      change: 'wait began',
      stepId,
      name: CHILD_SPAN,
      attributes: { 'batuta.child.id': childId, 'batuta.child.config': config, 'batuta.child.number': number },
      withdrawn: {},
    },
  ],
  measures: undefined,
  command: undefined,
};

/** Name of the span of a child in its parent's trace. */
export const CHILD_SPAN = 'child execution';
