import type { Draft } from '../../draft.js';
import type { Unit } from '../../graph/compiled.js';
import { routeGiven } from '../route/given.js';
import { unitState } from '../../state/state.js';

/** A call has given its result: a step that handed its conversation over, or chose a candidate, is done with it. */
export function callGiven(draft: Draft, unit: Unit): void {
  const caller = draft.state.config.units[unit.caller];
  if (caller?.work.kind === 'route') {
    routeGiven(draft, caller);
    return;
  }
  if (caller === undefined || unit.tool?.handOver === undefined) return;
  const { conversation, phase, firstScheduledAt } = unitState(draft.state, caller.index);
  if (phase !== 'calling' || conversation?.handedOver === undefined) return;
  const { output } = conversation.handedOver;
  const data = { attempt: 0, finishedAt: draft.at, output, startedAt: firstScheduledAt, stepId: caller.id };
  draft.emit({ type: 'StepCompleted', data });
}
