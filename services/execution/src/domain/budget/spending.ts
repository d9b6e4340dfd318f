import { setOwn } from '@batuta/contracts';
import type { Failure, JsonObject, JsonValue, StepCompleted } from '@batuta/contracts';
import { isObject } from '../structures/json.js';

const MAX_TOKENS = 2_147_483_647;
const LONGEST_SHOWN = 60;

/** The spending of an attempt in the form of its event. Absent fields mean nothing. */
export type Spending = Pick<StepCompleted, 'tokenCount' | 'inputTokens' | 'outputTokens' | 'estimatedCost'>;

const NOTHING_SPENT: Spending = {};

function isAmount(value: JsonValue | undefined): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function amount(value: JsonValue | undefined, most: number): number {
  return isAmount(value) ? Math.min(value, most) : 0;
}

/** Null means absent, as in any optional field. */
const isTold = (value: JsonValue | undefined): boolean => value !== undefined && value !== null;

function tokensProblem(value: JsonValue | undefined): string | undefined {
  if (!isTold(value) || isAmount(value)) {
    return undefined;
  }
  if (isObject(value) && (isTold(value.input) || isTold(value.output))) {
    const wrong = (['input', 'output'] as const).find((part) => isTold(value[part]) && !isAmount(value[part]));
    return wrong === undefined ? undefined : `_tokens.${wrong} is ${shown(value[wrong])}, not a number from 0 up`;
  }
  return `_tokens is ${shown(value)}, neither a number from 0 up nor {"input": …, "output": …}`;
}

function shown(value: JsonValue | undefined): string {
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? '');
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
}

/**
 * Why the spending that an agent reports cannot be counted. Undefined when it can. Invalid values must not bypass a
 * budget.
 */
export function spendingProblem(output: JsonValue | undefined): string | undefined {
  if (!tellsSpending(output)) {
    return undefined;
  }
  const cost = output._cost;
  return isTold(cost) && !isAmount(cost)
    ? `_cost is ${shown(cost)}, not a number from 0 up`
    : tokensProblem(output._tokens);
}

/** `_tokens` is a number, or `{input, output}` for the two kinds. */
function tokensOf(value: JsonValue | undefined): Spending {
  const inputTokens = isObject(value) ? Math.round(amount(value.input, MAX_TOKENS)) : 0;
  const outputTokens = isObject(value) ? Math.round(amount(value.output, MAX_TOKENS)) : 0;
  const tokenCount = Math.min(MAX_TOKENS, inputTokens + outputTokens) || Math.round(amount(value, MAX_TOKENS));
  return {
    ...(tokenCount > 0 ? { tokenCount } : {}),
    ...(inputTokens > 0 ? { inputTokens } : {}),
    ...(outputTokens > 0 ? { outputTokens } : {}),
  };
}

const isSpending = (key: string): boolean => key === '_tokens' || key === '_cost';

function tellsSpending(value: JsonValue | undefined): value is JsonObject {
  return isObject(value) && (Object.hasOwn(value, '_tokens') || Object.hasOwn(value, '_cost'));
}

/** Takes the spending that an agent reports in `_tokens` and `_cost` out of its output. */
export function takeSpending(output: JsonValue | undefined): { output: JsonValue; spending: Spending } {
  if (!tellsSpending(output)) {
    return { output: output ?? null, spending: NOTHING_SPENT };
  }
  const rest: JsonObject = {};
  for (const key of Object.keys(output)) {
    if (!isSpending(key)) {
      setOwn(rest, key, output[key] as JsonValue);
    }
  }
  const estimatedCost = amount(output._cost, Number.MAX_SAFE_INTEGER);
  return {
    output: rest,
    spending: { ...tokensOf(output._tokens), ...(estimatedCost > 0 ? { estimatedCost } : {}) },
  };
}

/** Takes the spending of a failed attempt out of its failure's `details`. */
export function takeFailureSpending(failure: Failure): { failure: Failure; spending: Spending } {
  if (!tellsSpending(failure.details)) {
    return { failure, spending: NOTHING_SPENT };
  }
  const { details: _details, ...rest } = failure;
  const { output, spending } = takeSpending(failure.details);
  const details = output as JsonObject;
  return { failure: Object.keys(details).length === 0 ? rest : { ...rest, details }, spending };
}

/** The details of a failure that replaces an output. They keep the output's spending. */
export function spendingDetails(output: JsonValue | undefined): { details?: JsonObject } {
  if (!tellsSpending(output)) {
    return {};
  }
  return { details: Object.fromEntries(Object.entries(output).filter(([key]) => isSpending(key))) };
}
