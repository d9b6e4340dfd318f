import { commandsOfChildren } from '../effects/children.js';
import { closeChild } from '../fold/children.js';
import { stopOne, stopPlaces } from '../effects/effect.js';
import { leaveLanes } from '../kinds/map/lanes.js';
import { leavePlaces } from '../kinds/llm/places.js';
import { noteControl } from '../fold/controls.js';
import { begin } from '../fold/phases.js';
import { settleGroup, settleUnit } from '../fold/settle.js';
import { putGroup, putUnit } from '../state/nodes.js';
import { groupState, unitState } from '../state/state.js';
import type { EventDefinition } from './definition.js';

/** For a step, or for a consensus group by its id. */
export const stepSkipped: EventDefinition<'StepSkipped'> = {
  evolve(next, data, event) {
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
    leavePlaces(next, index, event);
    leaveLanes(next, index, event);
    closeChild(next, index, event);
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
  },
  effects: (event, stateAfter) => {
    const {
      executionId,
      data: { stepId, reason },
    } = event;
    const index = stateAfter.config.unitIndex.get(stepId);
    const unit = index === undefined ? undefined : unitState(stateAfter, index);
    const own =
      unit !== undefined && unit.unreported.includes(unit.attempt)
        ? [stopOne(executionId, stepId, unit.attempt, reason)]
        : [];
    return [...own, ...stopPlaces(event, stateAfter), ...commandsOfChildren(stateAfter, event.version)];
  },
  spans: ({ data: { stepId, reason } }) => [
    { change: 'node ended', id: stepId, status: 'skipped', attributes: { 'batuta.skip.reason': reason } },
  ],
  measures: undefined,
  command: 'skip_step',
};
