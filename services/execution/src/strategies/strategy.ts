import type { FailurePolicy } from '@batuta/contracts';

/** What a strategy decides about the choice of the next step; everything else is common to all. */
export interface StrategyRules {
  /** A step starts only when no other step is between its start and its end (retries and alternatives included). */
  readonly oneAtATime: boolean;
  /** What a failure does when the step or group does not say. */
  readonly defaultOnFailure: FailurePolicy;
  /** A fallback step that names nobody stands in for the main step listed before it. */
  readonly positionalFallbacks: boolean;
}
