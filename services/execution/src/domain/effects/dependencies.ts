import { isToAsk, dependencyOf } from '../state/dependencies.js';
import { isTerminal, type State } from '../state/state.js';
import type { Effect } from './effect.js';

export type AskEndEffect = Extract<Effect, { type: 'askEnd' }>;

/** Asks the executions whose end is neither known nor promised. With a version: those that its event asks. */
export function asksForEnds(state: State, order?: number): Effect[] {
  const { dependencies, status } = state;
  if (dependencies === undefined || isTerminal(status)) {
    return [];
  }
  return dependencies
    .filter((each) => isToAsk(each) && (order === undefined || each.asked === order))
    .map(({ executionId, asked }) => ({ type: 'askEnd', dependencyId: executionId, order: asked }));
}

/** Whether the question is still wanted. */
export function isAskWanted(state: State, { dependencyId, order }: AskEndEffect): boolean {
  const dependency = dependencyOf(state, dependencyId);
  return dependency?.asked === order && isToAsk(dependency) && !isTerminal(state.status);
}
