import type { FailurePolicy, OrchestrationDefinition } from '@batuta/contracts';
import type { StrategyRules } from '../../strategies/strategy.js';

/** `abort` is the default, and writing it means the same as omitting it: fallbacks are still used first. */
export function policyIn(
  { settings }: OrchestrationDefinition,
  rules: StrategyRules,
  said: FailurePolicy | undefined,
): FailurePolicy {
  const policy = said || settings?.on_failure;
  return !policy || policy === 'abort' ? rules.defaultOnFailure : policy;
}
