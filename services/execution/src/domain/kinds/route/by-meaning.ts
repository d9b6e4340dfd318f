import type { Budget, JsonObject, JsonValue } from '@batuta/contracts';
import { budgetForModel } from '../../budget/reservation.js';
import { isObject } from '../../structures/json.js';
import type { Choice } from './by-rules.js';
import type { Meaning } from './route-state.js';
import type { RouteRules } from './rules.js';

/** The input of the call that compares the message with what each candidate is for. */
export function meaningQuestion(
  { embeddingModel, candidates }: RouteRules,
  message: string,
  reserved: Budget | undefined,
): JsonObject {
  return {
    model: embeddingModel,
    text: message,
    candidates: candidates.map(({ name, description, examples = [] }) => ({
      name,
      texts: [...(description === undefined ? [] : [description]), ...examples],
    })),
    ...(reserved === undefined ? {} : { budget: budgetForModel(reserved) }),
  };
}

/** The scores that a runner reports, of candidates that the config has, the best first. */
export function meaningOf(output: JsonValue, { candidates }: RouteRules): Meaning {
  const { scores } = isObject(output) ? output : ({} as JsonObject);
  const listed = Array.isArray(scores) ? scores.filter(isObject) : [];
  const known = candidates.flatMap(({ name }) => {
    const score = listed.find((each) => each.name === name)?.score;
    return typeof score === 'number' && score >= 0 && score <= 1 ? [{ candidate: name, score }] : [];
  });
  // Of equal ones the first in the config.
  return known.toSorted((a, b) => b.score - a.score);
}

/** The most similar candidate. Undefined when nothing was compared. */
export function byMeaning(meaning: Meaning): Choice | undefined {
  const [best] = meaning;
  if (best === undefined) return undefined;
  const reason = 'its description or an example is the most similar in meaning';
  return { chosen: best.candidate, by: 'semantic', confidence: best.score, reason, scores: [...meaning] };
}
