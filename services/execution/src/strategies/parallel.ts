import type { StrategyRules } from './strategy.js';

/**
 * A true DAG: a step starts as soon as its own dependencies are done, with at most `parallel_limit` attempts at once.
 */
export const parallelRules: StrategyRules = {
  oneAtATime: false,
  defaultOnFailure: 'abort',
  positionalFallbacks: false,
};
