import { FAILURE_CODES, type Budget, type BudgetExceeded, type Failure } from '@batuta/contracts';
import type { State } from '../state/state.js';

// Sums of decimal fractions have rounding errors: 0.1 + 0.2 must not count as more than 0.3.
const ROUNDING = 1e-9;

function smaller(a: number | undefined, b: number | undefined): number | undefined {
  // On the wire zero means no limit.
  const limits = [a, b].filter((limit) => limit !== undefined && limit > 0) as number[];
  return limits.length === 0 ? undefined : Math.min(...limits);
}

/** What an execution may spend: the smaller limits of its config and its start. */
export function budgetOf(state: State): Budget {
  const own = state.started?.budget;
  const { budget } = state.config;
  if (own === undefined) {
    return budget;
  }
  const maxTokens = smaller(budget.maxTokens, own.maxTokens);
  const maxCost = smaller(budget.maxCost, own.maxCost);
  return {
    ...(maxTokens === undefined ? {} : { maxTokens }),
    ...(maxCost === undefined ? {} : { maxCost }),
  };
}

/** Whether the execution has any budget. */
export function hasBudget(state: State): boolean {
  const { maxTokens, maxCost } = budgetOf(state);
  return maxTokens !== undefined || maxCost !== undefined;
}

function isOver(spent: number, limit: number | undefined): limit is number {
  return limit !== undefined && spent > limit * (1 + ROUNDING);
}

/**
 * The first limit that was exceeded since the start or the last retry. Undefined while spending is within the limits.
 */
export function overspending(state: State): BudgetExceeded | undefined {
  const { maxTokens, maxCost } = budgetOf(state);
  const { spentTokens, spentCost } = state;
  if (isOver(spentTokens, maxTokens)) {
    return { resource: 'tokens', limit: maxTokens, spent: spentTokens };
  }
  return isOver(spentCost, maxCost) ? { resource: 'cost', limit: maxCost, spent: spentCost } : undefined;
}

/** The failure of an execution with remaining steps whose budget is exceeded. */
export function budgetFailure({ resource, limit, spent }: BudgetExceeded): Failure {
  const told = resource === 'tokens' ? `${spent} tokens were spent` : `a cost of ${spent} was spent`;
  return {
    code: FAILURE_CODES.budgetExceeded,
    message: `${told}, the budget (${resource === 'tokens' ? 'max_tokens' : 'max_cost'}) is ${limit}`,
    retryable: false,
    details: { resource, limit, spent },
  };
}
