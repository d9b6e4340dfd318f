import type { StrategyRules } from '../strategy.js';

/**
 * Like parallel. In addition, the members of a group wait for the dependencies of all members, run together and vote
 * (tally.ts).
 */
export const consensusRules: StrategyRules = {
  oneAtATime: false,
  defaultOnFailure: 'abort',
  positionalFallbacks: false,
};
