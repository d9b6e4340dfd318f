import { FAILURE_CODES, type Failure, type RouteAskedBy } from '@batuta/contracts';
import { routeMapped } from '../../expressions/inputs.js';
import type { Unit } from '../../graph/compiled.js';
import { unitState, type State } from '../../state/state.js';
import { byMeaning } from './by-meaning.js';
import { byModel, MOST_REPAIRS } from './by-model.js';
import { byRules, type Choice } from './by-rules.js';
import { BEGINNING } from './route-state.js';
import type { RouteRules } from './rules.js';

/** What follows for a route that has not decided: a choice, a question, or that nobody can be chosen. */
type Next = { readonly choice: Choice } | { readonly ask: RouteAskedBy } | { readonly failure: Failure };

/** What follows from what is known. Nothing that is known is asked again. */
export function nextOf(state: State, unit: Unit, rules: RouteRules): Next {
  const { answers, meaning } = unitState(state, unit.index).route ?? BEGINNING;
  if ((rules.mode === 'rules' || rules.mode === 'hybrid') && answers.length === 0 && meaning === undefined) {
    const choice = byRules(rules, routeMapped(state, unit));
    if (choice !== undefined) return { choice };
  }
  if (rules.embeddingModel !== '' && meaning === undefined) return { ask: 'semantic' };
  const similar = meaning === undefined ? undefined : byMeaning(meaning);
  if (similar !== undefined && similar.confidence >= rules.minConfidence) return { choice: similar };
  if (rules.model === '') {
    return undecided(rules, similar, similar === undefined ? 'no rule holds' : unsure(rules, similar));
  }
  const last = answers.at(-1);
  if (last === undefined) return { ask: 'model' };
  const choice = byModel(last);
  if (choice !== undefined) {
    return choice.confidence >= rules.minConfidence ? { choice } : undecided(rules, choice, unsure(rules, choice));
  }
  if (answers.length <= MOST_REPAIRS) return { ask: 'model' };
  return undecided(rules, similar, `the model gave no answer that fits: ${last.problem ?? ''}`);
}

/** Why a choice does not count: its scores, with the reason that was given for it. */
function unsure({ minConfidence }: RouteRules, { scores, reason }: Choice): string {
  const listed = scores.map(({ candidate, score }) => `${candidate} ${score}`).join(', ');
  const told = reason === '' ? listed : `${listed} (${reason})`;
  return `no candidate reaches min_confidence ${minConfidence}: ${told}`;
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
