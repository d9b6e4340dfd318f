import type { Event, Failure, JsonObject, JsonValue } from '@batuta/contracts';
import { closeChild } from '../../fold/children.js';
import { compiledUnit, putUnit } from '../../state/nodes.js';
import { unitState, type Next } from '../../state/state.js';
import { initialUnit } from '../../state/unit-state.js';
import { routeHears } from '../route/heard.js';
import { resultContent, toolMessage, withResults } from './conversation.js';
import { llmOf } from './rules.js';

/** Frees a unit. Attempt numbers continue, so that late results of earlier calls stay recognisable. */
function free(next: Next, place: number, stopped: boolean): void {
  const { attempt, unreported, tokenCount, cost, child } = unitState(next, place);
  putUnit(next, place, {
    ...initialUnit(0, false),
    attempt,
    unreported: stopped ? [...unreported, attempt] : unreported,
    tokenCount,
    cost,
    // What it is told is told until it has heard it, and children are counted on.
    child,
  });
}

/** A tool call has ended: the conversation of its caller gets the result, and the unit is free. */
export function callEnded(
  next: Next,
  place: number,
  outcome: { output: JsonValue; tokens: number } | { failure: Failure },
): void {
  const { call } = unitState(next, place);
  const { caller } = compiledUnit(next, place);
  free(next, place, false);
  if (call === undefined || caller === -1) return;
  if (compiledUnit(next, caller).work.kind === 'route') {
    routeHears(next, compiledUnit(next, place), outcome);
    return;
  }
  const unit = unitState(next, caller);
  const { conversation } = unit;
  const asked = conversation?.calls[call.index];
  if (conversation === undefined || asked === undefined || conversation.turn !== call.turn) return;
  const tool = llmOf(compiledUnit(next, caller))?.tools.get(asked.name);
  const content =
    'output' in outcome
      ? resultContent(outcome.output, tool?.maxResultBytes ?? 0)
      : { error: { code: outcome.failure.code, message: outcome.failure.message } };
  const result: JsonObject = toolMessage(asked.id, asked.name, content, 'failure' in outcome);
  const calls = conversation.calls.with(call.index, { ...asked, result });
  const handedOver = tool?.handOver !== undefined && 'output' in outcome ? { output: outcome.output } : undefined;
  putUnit(next, caller, { ...unit, conversation: withResults({ ...conversation, calls, handedOver }) });
}

/** A step that asked a model is over, so its tool calls are not wanted any more. */
export function leavePlaces(next: Next, caller: number, event: Event): void {
  for (const place of compiledUnit(next, caller).places) {
    const { call, phase } = unitState(next, place);
    closeChild(next, place, event);
    if (call !== undefined) free(next, place, phase === 'running');
  }
}
