import { putUnit } from '../state/nodes.js';
import { unitState } from '../state/state.js';
import type { EventDefinition } from './definition.js';

/** The next event has the effect on the waiting step. */
export const signalReceived: EventDefinition<'SignalReceived'> = {
  evolve(next, { stepId, name, payload = null, by = '' }, event) {
    if (stepId === undefined) {
      next.keptSignals = { head: { version: event.version, name, payload, by, at: event.at }, tail: next.keptSignals };
      return;
    }
    const index = next.config.unitIndex.get(stepId);
    const unit = index === undefined ? undefined : unitState(next, index);
    if (index !== undefined && unit?.awaited !== undefined) {
      putUnit(next, index, { ...unit, awaited: { ...unit.awaited, received: { at: event.at, by } } });
    }
  },
  effects: undefined,
  spans: ({ data: { stepId } }) => (stepId === undefined ? [] : [{ change: 'wait ended', stepId, attributes: {} }]),
  measures: undefined,
  command: 'signal',
};
