import type { OrchestrationDefinition } from '@batuta/contracts';
import { consensusRules } from './consensus/rules.js';
import { fallbackRules } from './fallback.js';
import { parallelRules } from './parallel.js';
import { sequentialRules } from './sequential.js';
import type { StrategyRules } from './strategy.js';

/** The rules of a definition's strategy. */
export function strategyRules(definition: OrchestrationDefinition): StrategyRules {
  switch (definition.strategy) {
    case 'sequential':
      return sequentialRules;
    case 'parallel':
      return parallelRules;
    case 'consensus':
      return consensusRules;
    case 'fallback':
      return fallbackRules;
    default:
      return definition.strategy satisfies never;
  }
}
