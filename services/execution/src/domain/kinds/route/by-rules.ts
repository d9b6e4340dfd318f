import type { RouteDecided } from '@batuta/contracts';
import { truthy } from '../../expressions/expressions.js';
import type { Mapped } from './mapped.js';
import type { RouteRules } from './rules.js';

/** What a decision says, besides where it was made. */
export type Choice = Pick<RouteDecided, 'chosen' | 'by' | 'confidence' | 'reason'> &
  Required<Pick<RouteDecided, 'scores'>>;

/** Words in lower case with one space around each, so that a part of a word is not found. */
function words(text: string): string {
  return ` ${text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}]+/gu, ' ')
    .trim()} `;
}

/** The first candidate whose condition is true or of whose keywords the message has one. Undefined when there is none. */
export function byRules({ candidates }: RouteRules, { conditions, message }: Mapped): Choice | undefined {
  const spoken = candidates.some(({ keywords }) => keywords !== undefined) ? words(message) : '';
  const reasons = candidates.map(({ keywords = [] }, place) => {
    if (truthy(conditions[place] ?? false)) return 'its condition is true';
    const found = keywords.find((keyword) => words(keyword).trim() !== '' && spoken.includes(words(keyword)));
    return found === undefined ? undefined : `the message has "${found}"`;
  });
  const first = reasons.findIndex((reason) => reason !== undefined);
  const chosen = candidates[first];
  if (chosen === undefined) return undefined;
  const scores = candidates.flatMap(({ name }, place) =>
    reasons[place] === undefined ? [] : [{ candidate: name, score: 1 }],
  );
  return { chosen: chosen.name, by: 'rules', confidence: 1, reason: reasons[first] ?? '', scores };
}
