import type { JsonObject } from '@batuta/contracts';

/**
 * The tokens and cost (`_tokens`, `_cost`) in an agent's output, as details of the attempt's failure, because a failed
 * attempt costs too. Accepts any value, and returns only fields of the documented form; undefined when there are none.
 * Never throws.
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
