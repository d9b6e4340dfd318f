import type { JsonObject } from '@batuta/contracts';

/**
 * What an agent says it spent (`_tokens`, `_cost`), as details of the failure that its attempt ends with: a failed attempt costs
 * too. Only what has the documented form, of a value that may be anything; undefined when it says nothing. Never throws.
 */
export function spentOf(output: unknown): JsonObject | undefined {
  try {
    if (typeof output !== 'object' || output === null) return undefined;
    const { _tokens, _cost } = output as { readonly _tokens?: unknown; readonly _cost?: unknown };
    const tokens = isAmount(_tokens) ? _tokens : kindsOf(_tokens);
    if (tokens === undefined && !isAmount(_cost)) return undefined;
    return { ...(tokens === undefined ? {} : { _tokens: tokens }), ...(isAmount(_cost) ? { _cost } : {}) };
  } catch {
    return undefined;
  }
}

function kindsOf(tokens: unknown): JsonObject | undefined {
  if (typeof tokens !== 'object' || tokens === null) return undefined;
  const { input, output } = tokens as { readonly input?: unknown; readonly output?: unknown };
  if (!isAmount(input) && !isAmount(output)) return undefined;
  return { ...(isAmount(input) ? { input } : {}), ...(isAmount(output) ? { output } : {}) };
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0;
}
