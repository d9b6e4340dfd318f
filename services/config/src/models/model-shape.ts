import { expressionIn, mentionsSecret, MODEL_PROVIDERS, secretMistake, secretNames } from '@batuta/contracts';
import type { ModelProvider } from '@batuta/contracts';
import { number, object, oneOf, text } from '../json/shape.js';
import type { Report } from '../json/report.js';

/** What a user says of a model. */
export interface ModelBody {
  readonly provider: ModelProvider;
  readonly model: string;
  readonly base_url?: string;
  readonly api_key?: string;
  readonly description?: string;
  readonly max_output_tokens?: number;
  readonly temperature?: number;
  readonly context_tokens?: number;
  readonly prices?: { readonly input: number; readonly output: number };
}

const price = number({ min: 0, max: 1_000_000 });
const tokens = number({ min: 1, max: 100_000_000, whole: true });

export const modelShape = object(
  {
    provider: oneOf(MODEL_PROVIDERS),
    model: text({ max: 200 }),
    base_url: text({ max: 2_048 }),
    api_key: text({ max: 200 }),
    description: text({ max: 2_000, min: 0 }),
    max_output_tokens: tokens,
    temperature: number({ min: 0, max: 2 }),
    context_tokens: tokens,
    prices: object({ input: price, output: price }, ['input', 'output']),
  },
  ['provider', 'model'],
);

/** Reports what the fields of a model say together, and a key that is not a secret. */
export function reportModel(body: Readonly<Record<string, unknown>>, report: Report): void {
  const { provider, base_url: baseUrl, api_key: key, ...rest } = body;
  for (const [field, value] of Object.entries({ ...rest, base_url: baseUrl })) {
    if (typeof value === 'string' && mentionsSecret(value)) {
      report.add(`/${field}`, 'secret_not_allowed', 'only api_key may refer to a secret');
    }
  }
  if (typeof baseUrl === 'string') reportUrl(baseUrl, report);
  if (provider === 'openai_compatible' && (baseUrl ?? null) === null) {
    report.add('/base_url', 'required', 'base_url is required: an openai_compatible server is where you say');
  }
  if (typeof key === 'string') {
    const mistake = secretMistake(key);
    if (mistake !== undefined) report.add('/api_key', 'bad_format', mistake);
    // A key that stood here would stand in every answer about the model.
    else if (expressionIn(key) !== undefined || key !== `{{secret:${secretNames(key)[0] ?? ''}}}`) {
      report.add('/api_key', 'bad_format', 'must refer to a secret, {{secret:NAME}}, and be nothing else');
    }
  } else if ((key ?? null) === null && (provider === 'openai' || provider === 'anthropic')) {
    report.add('/api_key', 'required', `api_key is required: ${provider} answers nobody without one`);
  }
}

function reportUrl(baseUrl: string, report: Report): void {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    report.add('/base_url', 'bad_format', 'must be an http or https URL');
  } else if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    report.add('/base_url', 'bad_format', 'must have no credentials, no query and no fragment');
  }
}
