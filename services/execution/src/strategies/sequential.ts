import type { StrategyRules } from './strategy.js';

/** Steps in listed order, one at a time; a step whose dependencies are still open lets the next one go first. */
export const sequentialRules: StrategyRules = {
  oneAtATime: true,
  defaultOnFailure: 'abort',
  positionalFallbacks: false,
};
