import type { StrategyRules } from './strategy.js';

/** Main steps in listed order, one at a time; a failed one is served by its alternatives in order, without having to say so. */
export const fallbackRules: StrategyRules = {
  oneAtATime: true,
  defaultOnFailure: 'fallback',
  positionalFallbacks: true,
};
