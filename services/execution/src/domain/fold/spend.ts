import type { Spending } from '../budget/spending.js';
import type { Next } from '../state/state.js';

/** Every attempt counts, whatever its outcome. */
export function spend(next: Next, { tokenCount = 0, estimatedCost = 0 }: Spending): void {
  next.tokenCount += tokenCount;
  next.cost += estimatedCost;
  next.spentTokens += tokenCount;
  next.spentCost += estimatedCost;
}
