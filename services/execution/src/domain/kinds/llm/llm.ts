import { FAILURE_CODES } from '@batuta/contracts';
import type { StepKind } from '../kind.js';
import { callModel } from './model-call.js';
import { compileLlm, llmMapping, type LlmRules } from './rules.js';
import { modelAnswered } from './turn.js';
import { llmView } from './view.js';

/** A model is asked, and the tools that it requests are called. Each call is its own attempt. */
export const llmKind: StepKind<LlmRules> = {
  compile: compileLlm,
  mapping: llmMapping,
  takesSlot: true,
  start(draft, unit) {
    callModel(draft, unit);
  },
  finished: modelAnswered,
  awaitsUntil: () => undefined,
  due: () => undefined,
  view: llmView,
  failures: {
    [FAILURE_CODES.budgetTooSmall]: { happened: 'was not paid for', is: 'error' },
    [FAILURE_CODES.maxTurns]: { happened: 'did not come to an end', is: 'error' },
  },
};
