import { putUnit } from '../state/nodes.js';
import { unitState } from '../state/state.js';
import type { EventDefinition } from './definition.js';

/** The next event is the attempt that makes the call. */
export const toolCalled: EventDefinition<'ToolCalled'> = {
  evolve(next, data) {
    const place = next.config.unitIndex.get(data.stepId);
    const caller = next.config.unitIndex.get(data.callerId);
    if (place === undefined || caller === undefined) {
      return;
    }
    const unit = unitState(next, caller);
    const called = unit.conversation?.calls[data.index];
    if (unit.conversation === undefined || called === undefined) {
      return;
    }
    const { attempt } = unitState(next, place);
    putUnit(next, place, {
      ...unitState(next, place),
      selected: true,
      call: { turn: data.turn, index: data.index, input: called.input, since: attempt },
    });
    const calls = unit.conversation.calls.with(data.index, { ...called, place });
    putUnit(next, caller, { ...unit, conversation: { ...unit.conversation, calls } });
  },
  effects: undefined,
  spans: ({ data }) => [{ change: 'tool called', stepId: data.stepId, callId: data.callId }],
  measures: undefined,
  command: undefined,
};
