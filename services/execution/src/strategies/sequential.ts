import type { StrategyRules } from './strategy.js';

/** Steps in listed order, one at a time. When a step's dependencies are open, the next step goes first. */
export const sequentialRules: StrategyRules = {
  oneAtATime: true,
  defaultOnFailure: 'abort',
  positionalFallbacks: false,
};
