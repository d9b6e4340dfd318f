import { commandsOfChildren } from '../effects/children.js';
import { pauseChildren } from '../fold/children.js';
import { lifecycle, type Effect } from '../effects/effect.js';
import { noteControl } from '../fold/controls.js';
import { putUnit } from '../state/nodes.js';
import { unitState, type State } from '../state/state.js';
import { executionsThat } from './metrics.js';
import type { EventDefinition } from './definition.js';

/**
 * Stops the attempts that a pause interrupted, one by one, so that a late message cannot stop the attempts after a
 * resume.
 */
function stopInterrupted(executionId: string, stateAfter: State): Effect[] {
  const attempts = stateAfter.config.units.flatMap(({ id, index }) => {
    const { phase, attempt } = unitState(stateAfter, index);
    return phase === 'interrupted' ? [{ executionId, stepId: id, attempt, reason: 'paused' }] : [];
  });
  return attempts.length > 0 ? [{ type: 'stopAttempts', attempts }] : [];
}

export const executionPaused: EventDefinition<'ExecutionPaused'> = {
  evolve(next, data, event) {
    next.status = 'paused';
    next.pausedAt = event.at;
    noteControl(next, 'pause', data, event);
    pauseChildren(next, event, data.now === true);
    if (data.now !== true) {
      return;
    }
    for (const { index } of next.config.units) {
      const unit = unitState(next, index);
      if (unit.phase === 'running') {
        putUnit(next, index, { ...unit, phase: 'interrupted', unreported: [...unit.unreported, unit.attempt] });
      }
    }
  },
  effects: (event, stateAfter) => [
    ...(event.data.now === true ? stopInterrupted(event.executionId, stateAfter) : []),
    ...lifecycle(event),
    ...commandsOfChildren(stateAfter, event.version),
  ],
  spans: ({ data }) => [{ change: 'pause began', attributes: { 'batuta.pause.now': data.now === true } }],
  measures: executionsThat('paused'),
  command: 'pause',
};
