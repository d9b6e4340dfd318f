import type { Failure } from '@batuta/contracts';
import type { Draft } from '../../draft.js';
import type { Unit } from '../../graph/compiled.js';
import { compiledUnit } from '../../state/nodes.js';
import { unitState, type State } from '../../state/state.js';
import { makeCall } from '../llm/call.js';
import { nextOf } from './decision.js';
import { routeGiven } from './given.js';
import { BEGINNING } from './route-state.js';
import { routeOf, type RouteRules } from './rules.js';

/** Decides as far as what is known allows: the chosen candidate begins, or somebody is asked. */
export function goOn(draft: Draft, unit: Unit, rules: RouteRules): void {
  const next = nextOf(draft.state, unit, rules);
  if ('failure' in next) {
    draft.failStep(unit.index, next.failure);
    return;
  }
  const place = placeOf(draft.state, unit, 'ask' in next ? next.ask : next.choice.chosen, 'ask' in next);
  if (place === undefined) return;
  const placeId = compiledUnit(draft.state, place).id;
  if ('ask' in next) {
    draft.emit({ type: 'RouteAsked', data: { stepId: unit.id, askedId: placeId, by: next.ask } });
  } else {
    const { model, tokens } = unitState(draft.state, unit.index).route ?? BEGINNING;
    const { choice } = next;
    draft.emit({
      type: 'RouteDecided',
      data: {
        stepId: unit.id,
        chosenId: placeId,
        ...choice,
        ...(model === undefined ? {} : { model }),
        ...(tokens > 0 ? { tokens } : {}),
      },
    });
  }
  makeCall(draft, place);
}

function placeOf(state: State, unit: Unit, name: string, asks: boolean): number | undefined {
  return unit.places.find((place) => {
    const compiled = compiledUnit(state, place);
    return compiled.name === name && compiled.asksModel === asks;
  });
}

/** Whether a route has begun and has no output yet. */
export function hasOpenRoute(state: State): boolean {
  return state.config.routeUnits.some((index) => unitState(state, index).phase === 'calling');
}

/** Continues one route. Returns whether anything followed. */
export function advanceRoutes(draft: Draft): boolean {
  const { state } = draft;
  for (const index of state.config.routeUnits) {
    const { phase, route } = unitState(state, index);
    const unit = compiledUnit(state, index);
    const rules = routeOf(unit);
    if (phase !== 'calling' || route === undefined || rules === undefined) continue;
    if (route.ended !== undefined) {
      if ('output' in route.ended) routeGiven(draft, unit);
      else draft.failStep(index, causedBy(route.decided?.chosen, route.ended.failure));
      return true;
    }
    // A pause stopped it.
    const stopped = unit.places.find((place) => unitState(state, place).phase === 'ready');
    if (stopped !== undefined) {
      makeCall(draft, stopped);
      return true;
    }
    if (unit.places.every((place) => unitState(state, place).call === undefined)) {
      goOn(draft, unit, rules);
      return true;
    }
  }
  return false;
}

/** A step fails for the reason of whoever it chose or asked. */
function causedBy(chosen: string | undefined, { code, message, details }: Failure): Failure {
  const told = chosen === undefined ? message : `the candidate "${chosen}" failed: ${message}`;
  return { code, message: told, retryable: false, ...(details === undefined ? {} : { details }) };
}
