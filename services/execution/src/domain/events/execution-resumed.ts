import { commandsOfChildren } from '../effects/children.js';
import { resumeChildren } from '../fold/children.js';
import { lifecycle } from '../effects/effect.js';
import { noteControl } from '../fold/controls.js';
import { waitsForDependencies } from '../state/dependencies.js';
import { waitsForPlace } from '../state/place.js';
import { makeReady } from '../state/nodes.js';
import { unitState } from '../state/state.js';
import { executionsThat } from './metrics.js';
import type { EventDefinition } from './definition.js';

export const executionResumed: EventDefinition<'ExecutionResumed'> = {
  evolve(next, data, event) {
    noteControl(next, 'resume', data, event);
    resumeChildren(next, event);
    next.pausedAt = 0;
    // A retry does not wait for start_at, because it has already begun once.
    const waits = (next.started?.startAt ?? 0) > event.at || waitsForDependencies(next) || waitsForPlace(next);
    next.status = next.startedAt === 0 && waits ? 'pending' : 'running';
    if (next.status === 'running' && next.startedAt === 0) {
      next.startedAt = event.at;
    }
    for (const { index } of next.config.units) {
      if (unitState(next, index).phase === 'interrupted') {
        makeReady(next, index);
      }
    }
  },
  effects: (event, stateAfter) => [...lifecycle(event), ...commandsOfChildren(stateAfter, event.version)],
  spans: () => [{ change: 'pause ended' }],
  measures: executionsThat('resumed'),
  command: 'resume',
};
