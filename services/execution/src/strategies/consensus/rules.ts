import type { StrategyRules } from '../strategy.js';

/** As parallel; the members of a group wait for all that any of them depends on, run together and vote (tally.ts). */
export const consensusRules: StrategyRules = {
  oneAtATime: false,
  defaultOnFailure: 'abort',
  positionalFallbacks: false,
};
