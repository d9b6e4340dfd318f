import { FAILURE_CODES, isoTime, LATEST_TIME_MS, parseTime, type JsonValue } from '@batuta/contracts';
import type { Draft } from '../../draft.js';
import type { Unit } from '../../graph/compiled.js';
import { unitState } from '../../state/state.js';
import type { WaitRules } from './rules.js';

/** How many characters of a value a failure's message shows. */
const SHOWN = 100;

/** Epoch ms of the value of `until`. Undefined when it is not a time. */
function timeOf(value: JsonValue): number | undefined {
  if (typeof value === 'string') {
    return parseTime(value);
  }
  // Rounded up to whole milliseconds, so that it is never too early.
  return typeof value === 'number' && value <= LATEST_TIME_MS ? Math.max(0, Math.ceil(value)) : undefined;
}

/** The time has come. */
export function endWait(draft: Draft, unit: Unit): void {
  const { startedAt, awaited } = unitState(draft.state, unit.index);
  draft.emit({
    type: 'StepCompleted',
    data: {
      attempt: 0,
      finishedAt: draft.at,
      output: { until: isoTime(awaited?.untilAt ?? draft.at) },
      startedAt,
      stepId: unit.id,
    },
  });
}

/** Waits until `until`, or for the duration in the rules. A time in the past ends the wait at once. */
export function startWait(draft: Draft, unit: Unit, rules: WaitRules, until: JsonValue): void {
  const untilAt = rules.durationMs > 0 ? draft.at + rules.durationMs : timeOf(until);
  if (untilAt === undefined) {
    const text = JSON.stringify(until);
    const given = text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
    draft.failStep(unit.index, {
      code: FAILURE_CODES.waitInvalid,
      message: `until gives ${given}, which is neither an RFC 3339 time nor epoch milliseconds`,
      retryable: false,
    });
    return;
  }
  draft.emit({ type: 'WaitStarted', data: { stepId: unit.id, untilAt } });
  if (untilAt <= draft.at) {
    endWait(draft, unit);
  }
}
