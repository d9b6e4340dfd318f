import { begin, beginGroup } from '../fold/phases.js';
import { putUnit } from '../state/nodes.js';
import { unitState } from '../state/state.js';
import { addDeadline, attemptDeadlineOfChild, STEP_DEADLINE } from '../state/timers.js';
import { startOfChild } from '../effects/children.js';
import { mapOfLane, putChunk } from '../kinds/map/lanes.js';
import type { Next } from '../state/state.js';
import type { EventDefinition } from './definition.js';

/** What the parent already counted of the spending of a child that continues. */
function countedBefore(
  next: Next,
  index: number,
  childId: string,
  resumed: boolean,
  chunk: number | undefined,
): { readonly tokens: number; readonly cost: number } {
  const { child } = unitState(next, index);
  if (resumed && child?.id === childId) {
    return child.counted;
  }
  const ofChunk = resumed && chunk !== undefined ? mapOfLane(next, index)?.chunks[chunk]?.counted : undefined;
  return ofChunk ?? { tokens: 0, cost: 0 };
}

export const childRequested: EventDefinition<'ChildRequested'> = {
  evolve(next, data, event) {
    const { stepId, childId, number, config, inputKey, resumed = false, budget, attempt } = data;
    const chunk = data.chunk === undefined ? undefined : data.chunk - 1;
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
        chunk,
        map: chunk === undefined ? undefined : mapOfLane(next, index)?.number,
        counted: countedBefore(next, index, childId, resumed, chunk),
      },
    });
    if (chunk !== undefined) {
      putChunk(next, index, chunk, (before) => ({ ...before, phase: 'running', child: number }));
    }
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
