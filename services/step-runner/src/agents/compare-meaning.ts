import { FAILURE_CODES } from '@batuta/contracts';
import type { JsonObject, Model } from '@batuta/contracts';
import type { ControlClient } from '@batuta/messaging';
import type { GuardedClient } from '@batuta/outbound-http';
import { defineAgent, RetryableError, TerminalError } from '@batuta/worker';
import type { Agent, PlatformContext } from '@batuta/worker';
import { countCall } from '../models/gen-ai.js';
import { guardedFetch } from '../models/guarded-fetch.js';
import type { Embeddings } from '../models/model-port.js';
import { costOf, pricesOf } from '../models/prices.js';
import type { TokenPrices } from '../models/prices.js';
import { providerEmbeddings } from '../models/provider-models.js';
import { BYTES_A_TOKEN, keyOf, modelOf } from './ask-model.js';

export interface CompareMeaningOptions {
  readonly control: ControlClient;
  readonly client: GuardedClient;
  /** An answer that has not come for so long has stalled, milliseconds. */
  readonly idleMs: number;
}

/** Texts of one call. Providers limit them, and the answer must stay small. */
const MOST_TEXTS = 256;

const input = {
  type: 'object',
  required: ['model', 'text', 'candidates'],
  properties: {
    model: { type: 'string', minLength: 1, description: 'name of a model that makes embeddings' },
    text: { type: 'string', minLength: 1, description: 'what is compared' },
    candidates: {
      type: 'array',
      minItems: 1,
      maxItems: 50,
      items: {
        type: 'object',
        required: ['name', 'texts'],
        properties: {
          name: { type: 'string' },
          texts: { type: 'array', minItems: 1, items: { type: 'string', minLength: 1 } },
        },
      },
      description: 'with what: `[{"name", "texts"}]`; the most similar of its texts counts for a candidate',
    },
    budget: { type: 'object', description: '`tokens` and `cost` that the call may spend at most' },
  },
} as const;

const output = {
  type: 'object',
  required: ['scores', 'model', 'price'],
  properties: {
    scores: {
      type: 'array',
      items: { type: 'object' },
      description: 'how similar each candidate is, the most similar first: `name`, and `score` from 0 to 1',
    },
    model: { type: 'object', description: '`name`, `provider`, `id` and `revision` of the model' },
    price: { description: 'by which price the call was settled; null without one' },
  },
} as const;

/** Tells which texts mean the most similar to another one, by embeddings of a model, in one call. */
export function compareMeaningAgent({ control, client, idleMs }: CompareMeaningOptions): Agent<PlatformContext> {
  return defineAgent(
    'compare_meaning',
    {
      description:
        "Tells how similar in meaning texts are to another text, by embeddings of one of the tenant's models.",
      input,
      output,
    },
    async ({ model: name, text, candidates, budget }, context: PlatformContext) => {
      const texts = [text, ...candidates.flatMap((candidate) => candidate.texts)];
      if (texts.length > MOST_TEXTS) {
        const message = `${texts.length} texts are too many to compare in one call; at most ${MOST_TEXTS} are.`;
        throw new TerminalError('input_invalid', message);
      }
      const model = await modelOf(control, name, context);
      const prices = pricesOf(model);
      checkBudget(model, prices, texts, budget);
      const apiKey = await keyOf(model, context);
      const { vectors, inputTokens } = await embedded(model, apiKey, texts, client, context, idleMs);
      const [asked = [], ...others] = vectors;
      let next = 0;
      const scores = candidates.map((candidate) => {
        const own = others.slice(next, (next += candidate.texts.length));
        return { name: candidate.name, score: Math.max(...own.map((vector) => similarity(asked, vector))) };
      });
      const used = { inputTokens, cachedTokens: 0, outputTokens: 0 };
      return {
        scores: scores.toSorted((a, b) => b.score - a.score),
        model: { name, provider: model.provider, id: model.model, revision: model.revision },
        price: prices?.source ?? null,
        _tokens: { input: inputTokens, output: 0 },
        ...(prices === undefined ? {} : { _cost: costOf(prices, used) }),
      };
    },
  );
}

/** The cosine of two vectors, from 0 for all that does not point the same way, rounded so that equal texts are equal. */
export function similarity(a: readonly number[], b: readonly number[]): number {
  let product = 0;
  let ofA = 0;
  let ofB = 0;
  for (const [place, x] of a.entries()) {
    const y = b[place] ?? 0;
    product += x * y;
    ofA += x * x;
    ofB += y * y;
  }
  const length = Math.sqrt(ofA * ofB);
  const cosine = length > 0 ? product / length : 0;
  return Math.round(Math.min(1, Math.max(0, cosine)) * 1e4) / 1e4;
}

/** A call whose texts do not fit into its budget is not made. */
function checkBudget(
  model: Model,
  prices: TokenPrices | undefined,
  texts: readonly string[],
  budget: JsonObject | undefined,
): void {
  const { tokens, cost } = budget ?? {};
  const estimated = Math.ceil(texts.reduce((bytes, text) => bytes + Buffer.byteLength(text), 0) / BYTES_A_TOKEN);
  if (typeof cost === 'number' && prices === undefined) {
    const message = `The execution has a budget of money, and the model "${model.name}" has no price that is known. Set its prices.`;
    throw new TerminalError('price_unknown', message);
  }
  const isOver =
    (typeof tokens === 'number' && estimated > tokens) ||
    (typeof cost === 'number' && prices !== undefined && estimated * prices.input > cost);
  if (!isOver) return;
  const details = { estimated_tokens: estimated, ...budget };
  const message = `A call with about ${estimated} input tokens does not fit what the budget leaves for it.`;
  throw new TerminalError(FAILURE_CODES.budgetTooSmall, message, { details });
}

async function embedded(
  model: Model,
  apiKey: string | undefined,
  texts: readonly string[],
  client: GuardedClient,
  context: PlatformContext,
  idleMs: number,
): Promise<Embeddings> {
  const call = context.beginCall(`embeddings ${model.model}`, {
    'gen_ai.operation.name': 'embeddings',
    'gen_ai.provider.name': model.provider,
    'gen_ai.request.model': model.model,
    'gen_ai.conversation.id': context.executionId,
  });
  const since = performance.now();
  const seconds = (): number => (performance.now() - since) / 1_000;
  try {
    const send = guardedFetch(client, context, { streams: false, idleMs });
    const made = await providerEmbeddings(model, apiKey, send)(texts, context.signal);
    countCall(model, seconds(), { inputTokens: made.inputTokens, outputTokens: 0 });
    call.end({ 'gen_ai.usage.input_tokens': made.inputTokens });
    return made;
  } catch (error) {
    const known = error instanceof RetryableError || error instanceof TerminalError;
    const code = known ? error.code : 'error';
    countCall(model, seconds(), undefined, code);
    call.end({}, code);
    throw error;
  }
}
