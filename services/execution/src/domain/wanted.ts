import { isTerminal, unitState, type State } from './state.js';

/** Whether an attempt is outstanding: its task should be on the queue or with a runner. */
export function attemptWanted(state: State, stepId: string, attempt: number): boolean {
  const index = state.config.unitIndex.get(stepId);
  if (index === undefined || isTerminal(state.status)) {
    return false;
  }
  const unit = unitState(state, index);
  return unit.phase === 'running' && unit.attempt === attempt;
}
