import {
  DEFAULT_STEP_TIMEOUT_MS,
  type OrchestrationDefinition,
  type Retry,
  type StepDefinition,
} from '@batuta/contracts';
import { kindOf, workOf } from '../kinds/index.js';
import { compileRepeat } from '../repeat/rules.js';
import { parseExpression } from '../expressions/expressions.js';
import { retryPolicy } from '../failures/retry.js';
import type { StrategyRules } from '../../strategies/strategy.js';
import type { Unit } from './compiled.js';
import { policyIn } from './failure-policy.js';

/** The built-in agent that asks a model. */
export const MODEL_AGENT = 'ask_model';
/** The built-in agent that compares meanings. */
export const MEANING_AGENT = 'compare_meaning';
/** For each call of a model, unless its step sets a policy, because providers are often busy. */
export const MODEL_RETRY: Retry = { max_attempts: 5, backoff_ms: 1_000, max_backoff_ms: 60_000 };

/** A unit whose edges are not complete yet. */
export type UnitDraft = { -readonly [K in keyof Unit]: Unit[K] };

/** The unit of a step, without its edges. */
export function stepUnit(
  definition: OrchestrationDefinition,
  step: StepDefinition,
  index: number,
  rules: StrategyRules,
): UnitDraft {
  const work = workOf(step);
  const { mapping, takesSlot } = kindOf({ work });
  return {
    index,
    id: step.id,
    name: step.name,
    kind: 'step',
    agent: work.kind === 'agent' ? (step.agent ?? '') : work.kind === 'llm' ? MODEL_AGENT : '',
    work,
    takesSlot,
    timeoutMs: step.timeout_ms || DEFAULT_STEP_TIMEOUT_MS,
    limitMs: step.timeout_ms ?? 0,
    heartbeatMs: step.heartbeat_ms ?? 0,
    scheduleToStartMs: step.schedule_to_start_ms ?? 0,
    scheduleToCloseMs: step.schedule_to_close_ms ?? 0,
    retry: retryPolicy(step.retry ?? (work.kind === 'llm' ? MODEL_RETRY : undefined)),
    input: mapping(step),
    when: step.when === undefined || step.when === '' ? undefined : parseExpression(step.when),
    repeat: compileRepeat(step),
    requireAll: step.require === 'all',
    chosenBy: [],
    outputKey: step.output_key || step.id,
    onFailure: policyIn(definition, rules, step.on_failure),
    fallbackWhen: step.fallback_when ?? [],
    fallbackFor: -1,
    group: -1,
    compensation: -1,
    compensates: -1,
    places: [],
    tool: undefined,
    asksModel: false,
    caller: -1,
    order: index,
    dependencies: [],
    waitsFor: [],
    definition: step,
  };
}
