import { evaluationKey, pendingPurpose } from '../expressions/evaluations.js';
import { isTerminal, unitState, type State } from '../state/state.js';
import { commandsOfChildren, wantedOfChildren } from './children.js';
import { asksForEnds } from './dependencies.js';
import { evaluate, tellEnd, type Effect } from './effect.js';
import { asksForPlace } from './place.js';

/** All outstanding effects: those to perform again after a takeover, or when the queue lost its content. */
export function wantedEffects(state: State): Effect[] {
  if (isTerminal(state.status)) {
    return [...commandsOfChildren(state), ...tellEnd(state)];
  }
  const effects: Effect[] = [];
  for (const unit of state.config.units) {
    const current = unitState(state, unit.index);
    if (current.phase === 'running') {
      effects.push({ type: 'dispatch', stepId: unit.id, attempt: current.attempt });
    } else if (current.phase === 'evaluating') {
      effects.push(...evaluate(state, evaluationKey(pendingPurpose(state, unit), unit.id)));
    }
    if (current.ballot === 'evaluating') {
      effects.push(...evaluate(state, evaluationKey('vote', unit.id)));
    }
  }
  if (state.evaluatingOutput) {
    effects.push(...evaluate(state, evaluationKey('output', '')));
  }
  if (state.dependencies !== undefined) {
    effects.push(...asksForEnds(state));
  }
  if (state.place !== undefined) {
    effects.push(...evaluate(state, evaluationKey('concurrency', '')), ...asksForPlace(state));
  }
  return state.config.childUnits.length === 0 ? effects : [...effects, ...wantedOfChildren(state)];
}
