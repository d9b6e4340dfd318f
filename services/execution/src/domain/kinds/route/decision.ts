import { FAILURE_CODES, type Failure, type RouteAskedBy } from '@batuta/contracts';
import { routeMapped } from '../../expressions/inputs.js';
import type { Unit } from '../../graph/compiled.js';
import { unitState, type State } from '../../state/state.js';
import { byModel, MOST_REPAIRS } from './by-model.js';
import { byRules, type Choice } from './by-rules.js';
import { BEGINNING } from './route-state.js';
import type { RouteRules } from './rules.js';

/** What follows for a route that has not decided: a choice, a question, or that nobody can be chosen. */
type Next = { readonly choice: Choice } | { readonly ask: RouteAskedBy } | { readonly failure: Failure };

/** What follows from what is known. Nothing that is known is asked again. */
export function nextOf(state: State, unit: Unit, rules: RouteRules): Next {
  const { answers } = unitState(state, unit.index).route ?? BEGINNING;
  if (rules.mode !== 'model' && answers.length === 0) {
    const choice = byRules(rules, routeMapped(state, unit));
    if (choice !== undefined) return { choice };
  }
  if (rules.model === '') return undecided(rules, undefined, 'no rule holds');
  const last = answers.at(-1);
  if (last === undefined) return { ask: 'model' };
  const choice = byModel(last);
  if (choice !== undefined) {
    if (choice.confidence >= rules.minConfidence) return { choice };
    return undecided(rules, choice, `no candidate reaches min_confidence ${rules.minConfidence}: ${told(choice)}`);
  }
  if (answers.length <= MOST_REPAIRS) return { ask: 'model' };
  return undecided(rules, undefined, `the model gave no answer that fits: ${last.problem ?? ''}`);
}

/** The scores of a choice, with the reason that the model gave for it. */
function told({ scores, reason }: Choice): string {
  const listed = scores.map(({ candidate, score }) => `${candidate} ${score}`).join(', ');
  return reason === '' ? listed : `${listed} (${reason})`;
}

function undecided({ fallback }: RouteRules, best: Choice | undefined, reason: string): Next {
  const scores = best?.scores ?? [];
  if (fallback !== '') {
    return { choice: { chosen: fallback, by: 'fallback', confidence: best?.confidence ?? 0, reason, scores } };
  }
  const details = { scores: scores.map(({ candidate, score }) => ({ candidate, score })) };
  const message = `${reason}; the route has no fallback`;
  return { failure: { code: FAILURE_CODES.routeUndecided, message, retryable: false, details } };
}
