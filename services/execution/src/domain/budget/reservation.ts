import { FAILURE_CODES, type Budget, type Failure, type JsonObject } from '@batuta/contracts';
import type { Unit } from '../graph/compiled.js';
import { unitState, type State } from '../state/state.js';
import { budgetOf } from './budget.js';

export const NOTHING_LEFT: Failure = {
  code: FAILURE_CODES.budgetTooSmall,
  message: 'the budget leaves nothing for a call of the model',
  retryable: false,
};

export function isEmpty({ maxTokens = 1, maxCost = 1 }: Budget): boolean {
  return maxTokens <= 0 || maxCost <= 0;
}

/** In the form of the agent that asks. */
export function budgetForModel({ maxTokens, maxCost }: Budget): JsonObject {
  return {
    ...(maxTokens === undefined ? {} : { tokens: maxTokens }),
    ...(maxCost === undefined ? {} : { cost: maxCost }),
  };
}

/**
 * The budget of a call: its share of what is neither spent nor reserved. Shares are divided among the unfinished steps
 * that can ask a model, so that together they stay within the budget, however many run at once.
 */
export function reservation(state: State, unit: Unit): Budget | undefined {
  const { maxTokens, maxCost } = budgetOf(state);
  if (maxTokens === undefined && maxCost === undefined) return undefined;
  let waiting = 1;
  let tokens = 0;
  let cost = 0;
  const own = unit.caller === -1 ? unit.index : unit.caller;
  for (const other of mayAsk(state)) {
    if (other.index === own) continue;
    const running = reservedFor(state, other);
    if (running === undefined) {
      if (other.fallbackFor === -1) waiting += 1;
    } else {
      tokens += running.maxTokens ?? 0;
      cost += running.maxCost ?? 0;
    }
  }
  return {
    ...(maxTokens === undefined
      ? {}
      : { maxTokens: Math.max(0, Math.floor((maxTokens - state.spentTokens - tokens) / waiting)) }),
    ...(maxCost === undefined ? {} : { maxCost: Math.max(0, (maxCost - state.spentCost - cost) / waiting) }),
  };
}

/** Steps that may still ask a model: conversations, and routes that have not decided. */
function mayAsk(state: State): readonly Unit[] {
  const { units, modelUnits, routeUnits } = state.config;
  return [...modelUnits, ...routeUnits].flatMap((index) => {
    const unit = units[index];
    const { settled, route } = unitState(state, index);
    if (unit === undefined || settled || route?.decided !== undefined) return [];
    return unit.work.kind === 'llm' || askers(state, unit).length > 0 ? [unit] : [];
  });
}

function askers(state: State, { places }: Unit): readonly number[] {
  return places.filter((place) => state.config.units[place]?.asksModel === true);
}

/** What is reserved for the call that runs for a step. */
function reservedFor(state: State, unit: Unit): Budget | undefined {
  const { phase, conversation } = unitState(state, unit.index);
  if (unit.work.kind === 'llm') return phase === 'running' ? conversation?.reserved : undefined;
  const running = askers(state, unit).find((place) => unitState(state, place).phase === 'running');
  return running === undefined ? undefined : unitState(state, running).call?.reserved;
}
