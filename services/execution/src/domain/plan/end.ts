import { FAILURE_CODES, LIMITS, type Failure } from '@batuta/contracts';
import type { Draft } from '../draft.js';
import { evaluationKey, outputContext } from '../expressions/evaluations.js';
import { mappedValue } from '../expressions/expressions.js';
import { endingFailure } from '../failures/handling.js';
import { jsonBytesBeyond } from '../structures/json.js';
import { startOfCompensation } from './compensation.js';
import { defaultOutput } from '../state/results.js';
import { isActive } from '../state/nodes.js';
import { chunkFailure } from '../kinds/map/chunk.js';
import { request } from './request.js';
import { unitState, type State } from '../state/state.js';

// An output up to this size is also in the final event, so that watchers have it without another request.
const INLINE_OUTPUT_BYTES = 16 * 1024;

/** Ends the execution because of a failure: at once, or after undoing completed steps. */
export function abort(draft: Draft, aborted: { readonly failure: Failure; readonly node: number }): void {
  const { state } = draft;
  const ending =
    aborted.node === -1
      ? { failure: aborted.failure, stepId: undefined }
      : endingFailure(state, aborted.node, aborted.failure);
  const about = ending.stepId === undefined ? {} : { stepId: ending.stepId };
  const undoing = startOfCompensation(state);
  draft.emit(
    undoing
      ? { type: 'CompensationStarted', data: { cause: 'failure', failure: ending.failure, ...about } }
      : { type: 'ExecutionFailed', data: { failure: ending.failure, ...about } },
  );
}

/** Every step and group is settled, so the output and the end follow. */
export function complete(draft: Draft): void {
  const { state } = draft;
  const template = state.config.output;
  if (template !== undefined) {
    if (state.evaluatingOutput) {
      return;
    }
    const output = mappedValue(template, () => outputContext(state), state.outputValues);
    if (output === undefined) {
      request(draft, evaluationKey('output', ''));
      return;
    }
    if (jsonBytesBeyond(LIMITS.payloadBytes, output) !== undefined) {
      const message = `the execution's output has more than ${LIMITS.payloadBytes} bytes`;
      abort(draft, { failure: { code: FAILURE_CODES.outputTooLarge, message, retryable: false }, node: -1 });
      return;
    }
    draft.emit({ type: 'ExecutionCompleted', data: { output } });
    return;
  }
  const failure = state.config.isChunk ? chunkFailure(state) : undefined;
  if (failure !== undefined) {
    draft.emit({ type: 'ExecutionFailed', data: { failure } });
    return;
  }
  const output = defaultOutput(state);
  draft.emit({
    type: 'ExecutionCompleted',
    data: jsonBytesBeyond(INLINE_OUTPUT_BYTES, output) === undefined ? { output } : {},
  });
}

/** Whether the sandbox is evaluating a vote, so that its value will come. */
export function hasOpenEvaluation(state: State): boolean {
  return state.config.groups.some((group) =>
    group.members.some((member) => unitState(state, member).ballot === 'evaluating'),
  );
}

/** Nothing runs and nothing waits for a time, but steps are left: their dependencies can never be met. */
export function stall(draft: Draft): void {
  const stuck = draft.state.config.units
    .filter((unit) => {
      const { phase, settled, selected } = unitState(draft.state, unit.index);
      return unit.kind === 'step' && selected && !settled && !isActive(phase);
    })
    .map((unit) => unit.id);
  draft.emit({
    type: 'ExecutionFailed',
    data: {
      failure: {
        code: FAILURE_CODES.stalled,
        message: `no step can start any more; waiting for each other: ${stuck.slice(0, 20).join(', ')}`,
        retryable: false,
      },
    },
  });
}
