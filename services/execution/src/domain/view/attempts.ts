import type { State } from '../state/state.js';
import { isTerminal, unitState } from '../state/state.js';

/** Where the attempts of a step or of a place for calls of a tool stand. */
interface StepAttemptsNow {
  readonly known: boolean;
  /** 0 before the first. */
  readonly newest: number;
  /** Whether the newest is outstanding. */
  readonly running: boolean;
  /** Whether no attempt comes any more, unless the execution is taken up again. */
  readonly over: boolean;
  readonly executionEnded: boolean;
}

export function attemptsOf(state: State, stepId: string): StepAttemptsNow {
  const executionEnded = isTerminal(state.status);
  const index = state.config.unitIndex.get(stepId);
  if (index === undefined) return { known: false, newest: 0, running: false, over: executionEnded, executionEnded };
  const { phase, attempt } = unitState(state, index);
  const ended = phase === 'completed' || phase === 'failed' || phase === 'skipped';
  // A place is used again, by the next call.
  const over = executionEnded || (ended && state.config.units[index]?.kind !== 'tool');
  return { known: true, newest: attempt, running: phase === 'running' && !executionEnded, over, executionEnded };
}
