import type { LlmView } from '@batuta/contracts';
import { isTerminal, type State } from '../../state/state.js';
import type { UnitState } from '../../state/unit-state.js';

export function llmView(state: State, { conversation, settled }: UnitState): { llm?: LlmView } {
  if (conversation === undefined) return {};
  const { turn: turns, calls } = conversation;
  if (calls.length === 0 || settled || isTerminal(state.status)) return { llm: { turns } };
  return {
    llm: {
      turns,
      calls: calls.map(({ id, name, place, result }) => {
        const status = result !== undefined ? 'done' : place === -1 ? 'waiting' : 'running';
        return { id, name, status };
      }),
    },
  };
}
