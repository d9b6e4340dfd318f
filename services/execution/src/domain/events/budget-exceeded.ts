import { lifecycle } from '../effects/effect.js';
import type { Metric } from './metrics.js';
import type { EventDefinition } from './definition.js';

const BUDGETS: Metric = {
  type: 'counter',
  name: 'batuta_budgets_exceeded_total',
  help: 'Executions that spent more than their budget',
  labels: ['resource'],
};

export const budgetExceeded: EventDefinition<'BudgetExceeded'> = {
  evolve(next, data) {
    next.exceeded = data;
  },
  effects: lifecycle,
  spans: ({ data: { resource, limit, spent } }) => [
    {
      change: 'execution noted',
      attributes: {
        'batuta.budget.exceeded': resource,
        'batuta.budget.limit': limit,
        'batuta.budget.spent': spent,
      },
    },
  ],
  measures: {
    metrics: [BUDGETS],
    of: ({ resource }) => [{ metric: BUDGETS, labels: [resource], value: 1 }],
  },
  command: undefined,
};
