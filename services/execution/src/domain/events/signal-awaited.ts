import { begin, beginGroup } from '../fold/phases.js';
import { putUnit } from '../state/nodes.js';
import { listItems, unitState, type State } from '../state/state.js';
import { addDeadline, STEP_DEADLINE } from '../state/timers.js';
import type { EventDefinition } from './definition.js';

/** The list without one of its signals. The list is always short. */
function without(kept: State['keptSignals'], version: number): State['keptSignals'] {
  let rest: State['keptSignals'];
  for (const head of listItems(kept).toReversed()) {
    if (head.version !== version) {
      rest = { head, tail: rest };
    }
  }
  return rest;
}

export const signalAwaited: EventDefinition<'SignalAwaited'> = {
  evolve(next, { stepId, name, deadlineAt, taken }, event) {
    begin(next, event.at);
    const index = next.config.unitIndex.get(stepId);
    if (index === undefined) {
      return;
    }
    const signal = taken === undefined ? undefined : listItems(next.keptSignals).find((kept) => kept.version === taken);
    putUnit(next, index, {
      ...unitState(next, index),
      phase: 'awaiting',
      firstScheduledAt: event.at,
      scheduledAt: event.at,
      startedAt: event.at,
      awaited: {
        sinceAt: event.at,
        untilAt: deadlineAt ?? 0,
        signal: name,
        received: signal === undefined ? undefined : { at: signal.at, by: signal.by },
      },
    });
    if (taken !== undefined) {
      next.keptSignals = without(next.keptSignals, taken);
    }
    if (deadlineAt !== undefined) {
      addDeadline(next, index, deadlineAt, STEP_DEADLINE);
    }
    beginGroup(next, index, event.at);
  },
  effects: undefined,
  spans: ({ at, data: { stepId, name, deadlineAt } }) => [
    {
      change: 'wait began',
      stepId,
      name: 'signal wait',
      attributes: {
        'batuta.signal.name': name,
        ...(deadlineAt === undefined ? {} : { 'batuta.timer.planned_ms': deadlineAt - at }),
      },
      withdrawn: {},
    },
  ],
  measures: undefined,
  command: undefined,
};
