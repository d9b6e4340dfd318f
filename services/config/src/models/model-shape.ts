import { expressionIn, mentionsSecret, MODEL_PROVIDERS, secretMistake, secretNames, objectOf } from '@batuta/contracts';
import type { DocumentSchema, ModelProvider } from '@batuta/contracts';
import { documentCheck } from '@batuta/documents';
import type { Report } from '@batuta/documents';

/** A user's description of a model. */
export interface ModelBody {
  readonly provider: ModelProvider;
  readonly model: string;
  readonly base_url?: string;
  readonly api_key?: string;
  readonly description?: string;
  readonly max_output_tokens?: number;
  readonly temperature?: number;
  readonly context_tokens?: number;
  readonly stream?: boolean;
  readonly prices?: { readonly input: number; readonly output: number };
}

const price = { type: 'number', minimum: 0, maximum: 1_000_000 };
const tokens = { type: 'integer', minimum: 1, maximum: 100_000_000 };
const text = (most: number): DocumentSchema => ({ type: 'string', minLength: 1, maxLength: most });

export const modelShape = documentCheck(
  objectOf<Required<ModelBody>>(
    'The description of a model.',
    {
      provider: { type: 'string', enum: MODEL_PROVIDERS },
      model: text(200),
      base_url: text(2_048),
      api_key: text(200),
      description: { type: 'string', maxLength: 2_000 },
      max_output_tokens: tokens,
      temperature: { type: 'number', minimum: 0, maximum: 2 },
      context_tokens: tokens,
      stream: { type: 'boolean' },
      prices: objectOf('Prices.', { input: price, output: price }, ['input', 'output']),
    },
    ['provider', 'model'],
  ),
);

/** Checks rules between the fields of a model, and that the key is a secret. */
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
    if (mistake !== undefined) {
      report.add('/api_key', 'bad_format', mistake);
    }
    // A plain key would appear in every answer about the model.
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
