import type { JsonValue } from '@batuta/contracts';
import type { Draft } from '../../draft.js';
import type { Unit } from '../../graph/compiled.js';
import { iterationCompleted } from '../../repeat/iterate.js';
import { unitState } from '../../state/state.js';

/** The chosen candidate has given its output, so the step is done with it. */
export function routeGiven(draft: Draft, unit: Unit): void {
  const { phase, route } = unitState(draft.state, unit.index);
  if (phase !== 'calling' || route?.ended === undefined || !('output' in route.ended)) return;
  complete(draft, unit, route.ended.output);
}

function complete(draft: Draft, unit: Unit, output: JsonValue): void {
  const { scheduledAt, firstScheduledAt } = unitState(draft.state, unit.index);
  const data = { attempt: 0, finishedAt: draft.at, output, stepId: unit.id };
  if (unit.repeat === undefined) {
    draft.emit({ type: 'StepCompleted', data: { ...data, startedAt: firstScheduledAt } });
  } else {
    iterationCompleted(draft, unit, { ...data, startedAt: scheduledAt });
  }
}
