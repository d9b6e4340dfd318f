import type { ScheduleStreamEvent } from '@batuta/contracts';
import type { Run, ScheduleState } from './state.js';

/**
 * An action of the runtime after a commit. All of them are idempotent. start: start the execution, and answer with
 * RecordStart; for an existing execution this returns its status. stop: cancel or terminate it.
 */
export type ScheduleEffect =
  { readonly type: 'start'; readonly executionId: string } | { readonly type: 'stop'; readonly executionId: string };

function ofRun(state: ScheduleState, executionId: string): Run | undefined {
  return state.running.find((run) => run.executionId === executionId);
}

/** Whether an effect is still to be performed. */
export function isScheduleEffectWanted(state: ScheduleState, { type, executionId }: ScheduleEffect): boolean {
  const run = ofRun(state, executionId);
  if (run === undefined) return false;
  return type === 'start' ? !run.answered : run.stopping !== undefined;
}

/** The effects of one event, given the state after its commit. */
export function scheduleEffectsOf(event: ScheduleStreamEvent, stateAfter: ScheduleState): readonly ScheduleEffect[] {
  const effects = ((): ScheduleEffect[] => {
    switch (event.type) {
      case 'ScheduleFired':
        return [{ type: 'start', executionId: event.data.executionId }];
      case 'ScheduleRunsChecked':
        return event.data.executionIds.map((executionId) => ({ type: 'start', executionId }));
      case 'ScheduleOthersStopped':
        return event.data.executionIds.map((executionId) => ({ type: 'stop', executionId }));
      default:
        return [];
    }
  })();
  return effects.filter((effect) => isScheduleEffectWanted(stateAfter, effect));
}

/** All outstanding effects: those to perform again after a takeover. */
export function wantedScheduleEffects(state: ScheduleState): readonly ScheduleEffect[] {
  return state.running.flatMap(({ executionId }) =>
    (['start', 'stop'] as const)
      .map((type): ScheduleEffect => ({ type, executionId }))
      .filter((effect) => isScheduleEffectWanted(state, effect)),
  );
}
