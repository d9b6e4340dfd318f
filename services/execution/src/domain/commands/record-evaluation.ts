import { FAILURE_CODES } from '@batuta/contracts';
import type { Outcome, RecordEvaluation } from './command.js';
import type { Draft } from '../draft.js';
import { evaluationOf, parseKey } from '../expressions/evaluations.js';
import { isTerminal } from '../state/state.js';

/** Records the sandbox's answer. When an expression fails, its step fails. */
export function recordEvaluation(draft: Draft, command: RecordEvaluation): Outcome {
  const { state } = draft;
  const wanted = isTerminal(state.status) ? undefined : evaluationOf(state, command.key);
  if (wanted === undefined) {
    return 'stale';
  }
  const complete = command.values?.length === wanted.expressions.length;
  const failure =
    command.failure ??
    (complete
      ? undefined
      : { code: FAILURE_CODES.expressionFailed, message: 'the sandbox gave no values', retryable: false });
  draft.emit({
    type: 'EvaluationRecorded',
    data: {
      key: command.key,
      ...(failure === undefined ? { values: [...(command.values ?? [])] } : { failure }),
    },
  });
  const { purpose, subject } = parseKey(command.key);
  const index = state.config.unitIndex.get(subject);
  if (
    failure !== undefined &&
    index !== undefined &&
    (purpose === 'when' || purpose === 'input' || purpose === 'until')
  ) {
    draft.failStep(index, failure);
  }
  return 'recorded';
}
