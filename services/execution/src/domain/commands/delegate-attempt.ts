import { delegateAttempt } from '../kinds/orchestration/child.js';
import { compiledUnit } from '../state/nodes.js';
import { isTerminal, unitState } from '../state/state.js';
import type { DelegateAttempt, Outcome } from './command.js';
import type { Draft } from '../draft.js';

/** Records that an execution makes an attempt, since its agent is made of a model. */
export function delegate(draft: Draft, command: DelegateAttempt): Outcome {
  const { state } = draft;
  const index = state.config.unitIndex.get(command.stepId);
  if (state.started === undefined || index === undefined) return 'unknown';
  const { phase, attempt } = unitState(state, index);
  if (isTerminal(state.status) || phase !== 'running' || attempt !== command.attempt) return 'stale';
  delegateAttempt(draft, compiledUnit(state, index), command);
  return 'done';
}
