import { commandsOfChildren } from '../effects/children.js';
import { lifecycle } from '../effects/effect.js';
import { noteControl } from '../fold/controls.js';
import { leaveOnlyRunning } from '../fold/phases.js';
import { putUnit } from '../state/nodes.js';
import { unitState } from '../state/state.js';
import type { EventDefinition } from './definition.js';

/**
 * The compensation continues where it stopped. Steps that are not undone get their compensation again, with all of its
 * attempts. Attempts that the end of the execution stopped do not matter any more.
 */
export const executionReopened: EventDefinition<'ExecutionReopened'> = {
  evolve(next, data, event) {
    noteControl(next, 'compensate', data, event);
    const { reason = '', by = '' } = next.compensation ?? data;
    next.status = 'compensation';
    next.completedAt = 0;
    next.deadlineAt = data.deadlineAt;
    next.compensation = { cause: data.cause, reason, by, stopped: false };
    for (const { index, kind } of next.config.units) {
      const unit = unitState(next, index);
      const initial = next.config.initialUnits.get(index);
      const unreported = unit.phase === 'running' ? [...unit.unreported, unit.attempt] : unit.unreported;
      if (kind === 'compensation' && unit.phase !== 'completed' && initial !== undefined) {
        const { attempt, tokenCount, cost } = unit;
        putUnit(next, index, { ...initial, attempt, unreported, tokenCount, cost });
      } else if (unit.phase === 'running') {
        putUnit(next, index, { ...unit, phase: 'waiting', selected: false, unreported });
      }
    }
    leaveOnlyRunning(next, event);
  },
  effects: (event, stateAfter) => [...lifecycle(event), ...commandsOfChildren(stateAfter, event.version)],
  spans: () => [{ change: 'execution reopened', as: 'compensation' }],
  measures: undefined,
  command: 'compensate',
};
