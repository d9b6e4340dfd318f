import type { JsonObject, Model } from '@batuta/contracts';
import { calcPrice } from '@pydantic/genai-prices';

/** The package that contains the prices, so that a cost can be traced to its prices. */
const LIST_VERSION = 'genai-prices 0.1.8';

/** US dollars for one token, and the source of the price. */
export interface TokenPrices {
  readonly input: number;
  readonly cached: number;
  readonly output: number;
  /** For the event: the matched id and the version of the prices. */
  readonly source: JsonObject;
}

interface Used {
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
}

const A_MILLION = 1_000_000;

/**
 * The price of a model's tokens: the tenant's own prices, else the price list for the provider itself. A server that
 * only has OpenAI's API has no price, because a model with the same name may be another one.
 */
export function pricesOf(model: Model): TokenPrices | undefined {
  if (model.prices !== undefined) {
    const { input, output } = model.prices;
    const source = { matched: model.model, version: `model ${model.name} revision ${model.revision}` };
    return { input: input / A_MILLION, cached: input / A_MILLION, output: output / A_MILLION, source };
  }
  if (model.provider === 'openai_compatible') return undefined;
  const of = (usage: Record<string, number>) => calcPrice(usage, model.model, { providerId: model.provider });
  const found = of({ input_tokens: 1, output_tokens: 0 });
  if (found === null || found === undefined) return undefined;
  return {
    input: found.total_price,
    cached: of({ input_tokens: 1, cache_read_tokens: 1, output_tokens: 0 })?.total_price ?? found.total_price,
    output: of({ input_tokens: 0, output_tokens: 1 })?.total_price ?? 0,
    source: { matched: `${found.provider.id}/${found.model.id}`, version: LIST_VERSION },
  };
}

/** How many tokens fit into a call, from the model's settings or else the price list. Undefined when it is unknown. */
export function contextTokens(model: Model): number | undefined {
  if (model.contextTokens !== undefined) return model.contextTokens;
  if (model.provider === 'openai_compatible') return undefined;
  const found = calcPrice({ input_tokens: 0, output_tokens: 0 }, model.model, { providerId: model.provider });
  return found?.model.context_window ?? undefined;
}

/** US dollars of a call, rounded to a billionth to remove rounding errors of the sum. */
export function costOf(prices: TokenPrices, { inputTokens, cachedTokens, outputTokens }: Used): number {
  const cached = Math.min(cachedTokens, inputTokens);
  const exact = (inputTokens - cached) * prices.input + cached * prices.cached + outputTokens * prices.output;
  return Math.round(exact * 1e9) / 1e9;
}
