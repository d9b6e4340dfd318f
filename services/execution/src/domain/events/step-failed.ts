import { commandsOfChildren } from '../effects/children.js';
import { leaveLanes } from '../kinds/map/lanes.js';
import { callEnded, leavePlaces } from '../kinds/llm/places.js';
import { queueGroup } from '../../strategies/consensus/votes.js';
import { lifecycle, stopPlaces } from '../effects/effect.js';
import { begin } from '../fold/phases.js';
import { applyHandling, settleUnit } from '../fold/settle.js';
import { compiledUnit, putUnit } from '../state/nodes.js';
import { unitState } from '../state/state.js';
import type { EventDefinition } from './definition.js';

export const stepFailed: EventDefinition<'StepFailed'> = {
  evolve(next, data, event) {
    begin(next, event.at);
    const index = next.config.unitIndex.get(data.stepId);
    if (index === undefined) {
      return;
    }
    const compiled = compiledUnit(next, index);
    if (compiled.kind === 'tool') {
      callEnded(next, index, { failure: data.failure });
      return;
    }
    leavePlaces(next, index, event);
    leaveLanes(next, index, event);
    const unit = unitState(next, index);
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
  },
  effects: (event, stateAfter) => [
    ...stopPlaces(event, stateAfter),
    ...lifecycle(event),
    ...commandsOfChildren(stateAfter, event.version),
  ],
  spans: ({ data: { stepId, failure, handling, fallbackStepId } }) => [
    {
      change: 'node ended',
      id: stepId,
      status: 'failed',
      failure,
      attributes: {
        'batuta.failure.handling': handling,
        ...(fallbackStepId === undefined ? {} : { 'batuta.fallback.step': fallbackStepId }),
      },
    },
  ],
  measures: undefined,
  command: undefined,
};
