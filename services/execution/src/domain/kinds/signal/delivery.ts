import { FAILURE_CODES, type JsonValue } from '@batuta/contracts';
import type { Draft } from '../../draft.js';
import type { Unit } from '../../graph/compiled.js';
import { listItems, unitState } from '../../state/state.js';
import type { SignalRules } from './rules.js';

/** Completes the step with the payload of the signal. */
export function completeWith(draft: Draft, unit: Unit, output: JsonValue): void {
  const { startedAt } = unitState(draft.state, unit.index);
  draft.emit({
    type: 'StepCompleted',
    data: { attempt: 0, finishedAt: draft.at, output, startedAt, stepId: unit.id },
  });
}

/** Waits for the signal, or takes the oldest one of its name that came before. */
export function awaitSignal(draft: Draft, unit: Unit, { name, timeoutMs }: SignalRules): void {
  const kept = listItems(draft.state.keptSignals).findLast((signal) => signal.name === name);
  if (kept !== undefined) {
    draft.emit({ type: 'SignalAwaited', data: { name, stepId: unit.id, taken: kept.version } });
    completeWith(draft, unit, kept.payload);
    return;
  }
  draft.emit({
    type: 'SignalAwaited',
    data: timeoutMs > 0 ? { deadlineAt: draft.at + timeoutMs, name, stepId: unit.id } : { name, stepId: unit.id },
  });
}

/** No signal came in time. */
export function missSignal(draft: Draft, unit: Unit, { name, timeoutMs, otherwise }: SignalRules): void {
  if (otherwise !== undefined) {
    completeWith(draft, unit, otherwise);
    return;
  }
  draft.failStep(unit.index, {
    code: FAILURE_CODES.signalTimeout,
    message: `no signal ${name} came within ${timeoutMs} ms`,
    retryable: false,
  });
}
