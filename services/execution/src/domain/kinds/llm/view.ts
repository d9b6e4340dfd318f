import type { LlmView, ToolCallView } from '@batuta/contracts';
import { approvalView } from '../approval/view.js';
import { isTerminal, unitState, type State } from '../../state/state.js';
import { isAsked, type UnitState } from '../../state/unit-state.js';

export function llmView(state: State, { conversation, settled }: UnitState): { llm?: LlmView } {
  if (conversation === undefined) return {};
  const { turn: turns, calls } = conversation;
  if (calls.length === 0 || settled || isTerminal(state.status)) return { llm: { turns } };
  return {
    llm: {
      turns,
      calls: calls.map(({ id, name, place, result }): ToolCallView => {
        const unit = state.config.units[place];
        if (result !== undefined || unit === undefined) {
          return { id, name, status: result === undefined ? 'waiting' : 'done' };
        }
        const made = unitState(state, place);
        return isAsked(made)
          ? { id, name, status: 'asking', stepId: made.approval?.decideAs ?? unit.id, ...approvalView(state, made) }
          : { id, name, status: 'running' };
      }),
    },
  };
}
