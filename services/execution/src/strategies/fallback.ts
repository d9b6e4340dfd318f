import type { StrategyRules } from './strategy.js';

/**
 * Main steps in listed order, one at a time. The fallbacks of a failed step are used in order, without `on_failure:
 * fallback`.
 */
export const fallbackRules: StrategyRules = {
  oneAtATime: true,
  defaultOnFailure: 'fallback',
  positionalFallbacks: true,
};
