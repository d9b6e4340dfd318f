import type { Failure, JsonObject, JsonValue } from '@batuta/contracts';
import type { Unit } from '../../graph/compiled.js';
import { compiledUnit, putUnit } from '../../state/nodes.js';
import { unitState, type Next } from '../../state/state.js';
import { isObject } from '../../structures/json.js';
import { meaningOf } from './by-meaning.js';
import { answerOf } from './by-model.js';
import { BEGINNING } from './route-state.js';
import { routeOf } from './rules.js';

/** A place of a route is done: the model has answered, or the chosen candidate has come to an end. */
export function routeHears(
  next: Next,
  place: Unit,
  outcome: { readonly output: JsonValue; readonly tokens: number } | { readonly failure: Failure },
): void {
  const unit = unitState(next, place.caller);
  const rules = routeOf(compiledUnit(next, place.caller));
  const route = unit.route ?? BEGINNING;
  if (rules === undefined) return;
  if ('failure' in outcome || !place.asksModel) {
    const ended = 'failure' in outcome ? outcome : { output: outcome.output };
    putUnit(next, place.caller, { ...unit, route: { ...route, ended } });
    return;
  }
  const { model } = isObject(outcome.output) ? outcome.output : ({} as JsonObject);
  const told =
    place.name === 'semantic'
      ? { meaning: meaningOf(outcome.output, rules) }
      : { answers: [...route.answers, answerOf(outcome.output, rules)] };
  putUnit(next, place.caller, {
    ...unit,
    route: {
      ...route,
      ...told,
      model: isObject(model) ? model : route.model,
      tokens: route.tokens + outcome.tokens,
    },
  });
}
