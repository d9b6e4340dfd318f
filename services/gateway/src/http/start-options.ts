import { parseTime } from '@batuta/contracts';
import type { Budget, BudgetDefinition, ExecutionView, Priority } from '@batuta/contracts';

/** When a start is to happen, in which lane and for how much, as far as its checked body says. */
export function startOptionsOf(body: {
  readonly start_at?: string | undefined;
  readonly priority?: Priority | undefined;
  readonly budget?: BudgetDefinition | undefined;
}): {
  startAt: number | undefined;
  priority: Priority | undefined;
  budget: Budget | undefined;
} {
  return {
    // What the epoch began after is past like any other time: between services it is 0, at once.
    startAt: body.start_at == null ? undefined : Math.max(0, parseTime(body.start_at) ?? 0),
    priority: body.priority ?? undefined,
    budget: body.budget == null ? undefined : budgetOf(body.budget),
  };
}

/** The limits of another execution, for one that continues it; undefined when it has none. */
export function limitsOf({ budget }: Pick<ExecutionView, 'budget'>): BudgetDefinition | undefined {
  if (budget === undefined) return undefined;
  const { maxTokens, maxCost } = budget;
  return { ...(maxTokens ? { max_tokens: maxTokens } : {}), ...(maxCost ? { max_cost: maxCost } : {}) };
}

function budgetOf({ max_tokens: maxTokens, max_cost: maxCost }: BudgetDefinition): Budget {
  return { ...(maxTokens === undefined ? {} : { maxTokens }), ...(maxCost === undefined ? {} : { maxCost }) };
}
