import type { FailurePolicy } from '@batuta/contracts';

/** The rules of a strategy for choosing the next step. Everything else is common to all strategies. */
export interface StrategyRules {
  /**
   * Whether a step starts only when no other step is between its start and its end (including retries and fallbacks).
   */
  readonly oneAtATime: boolean;
  /** The effect of a failure when the step or group does not set it. */
  readonly defaultOnFailure: FailurePolicy;
  /** Whether a fallback step without a name serves the main step listed before it. */
  readonly positionalFallbacks: boolean;
}
