import type { CompensationOutcome } from '@batuta/contracts';
import type { Draft } from '../draft.js';
import { nodeId } from '../state/results.js';
import { compiledUnit } from '../state/nodes.js';
import { scheduleAttempt } from '../kinds/agent/attempt.js';
import { startWithInput } from './start-unit.js';
import { listItems, unitState, type State } from '../state/state.js';

/** Whether ending the execution requires compensation first: a step that can be undone has completed or still runs. */
export function startOfCompensation(state: State): boolean {
  return (
    state.undoable !== undefined ||
    (state.running > 0 &&
      state.config.units.some((unit) => unit.compensation !== -1 && unitState(state, unit.index).phase === 'running'))
  );
}

/** The undone steps, in the order in which they were undone, and the others. */
export function compensationOutcome(state: State): CompensationOutcome {
  const ids = (nodes: readonly number[]): string[] => nodes.map((node) => nodeId(state, node));
  const stoppedAt = state.compensation?.stopped === true ? state.undoable?.head : undefined;
  const failure =
    stoppedAt === undefined ? undefined : unitState(state, compiledUnit(state, stoppedAt).compensation).failure;
  return {
    compensated: ids(listItems(state.undone).toReversed()),
    notCompensated: ids(listItems(state.undoable)),
    ...(stoppedAt === undefined || failure === undefined ? {} : { failedStepId: nodeId(state, stoppedAt), failure }),
  };
}

/**
 * The unit that undoes the newest completed step that is not undone yet. Undefined when all are undone or one has
 * finally failed.
 */
function nextCompensation(state: State): number | undefined {
  const step = state.undoable?.head;
  return step === undefined || state.compensation?.stopped === true
    ? undefined
    : compiledUnit(state, step).compensation;
}

/** The final event of an execution after its compensation. */
function emitCompensated(draft: Draft): void {
  const { state } = draft;
  const compensation = compensationOutcome(state);
  if (state.compensation?.cause === 'cancel') {
    const { reason, by } = state.compensation;
    draft.emit({
      type: 'ExecutionCancelled',
      data: { ...(reason === '' ? {} : { reason }), ...(by === '' ? {} : { by }), compensation },
    });
    return;
  }
  draft.emit({
    type: 'ExecutionFailed',
    data: {
      failure: state.failure ?? { code: 'internal', message: 'the execution failed', retryable: false },
      ...(state.failedStepId === '' ? {} : { stepId: state.failedStepId }),
      compensation,
    },
  });
}

/** Running attempts report first. Then the newest remaining completed step is undone, one at a time. */
export function planCompensation(draft: Draft): void {
  const { state } = draft;
  if (state.running > 0) {
    return;
  }
  const next = nextCompensation(state);
  if (next === undefined) {
    emitCompensated(draft);
    return;
  }
  const { phase, retryAt } = unitState(state, next);
  if (phase === 'backoff') {
    if (retryAt <= draft.at) {
      scheduleAttempt(draft, next);
    }
  } else if (phase === 'waiting' || phase === 'ready') {
    startWithInput(draft, compiledUnit(state, next));
  }
}
