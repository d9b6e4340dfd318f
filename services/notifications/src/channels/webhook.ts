import { secretNames, withSecrets } from '@batuta/contracts';
import { SecretMissingError } from '@batuta/control';
import type { SecretSource } from '@batuta/control';
import { hideEverywhere } from '@batuta/observability';
import type { HiddenValues, Logger } from '@batuta/observability';
import { addressPolicy, addressRefusal, GuardedClient, InvalidCallError } from '@batuta/outbound-http';
import type { CallAnswer } from '@batuta/outbound-http';
import { list } from '@batuta/settings';
import type { SettingsOf } from '@batuta/settings';
import { Webhook } from 'standardwebhooks';
import { defaultContent, valuesOf } from '../templates/message.js';
import { TemplateError } from '../templates/templates.js';
import type { Templates } from '../templates/templates.js';
import { reasonOf } from './channel.js';
import type { Channel, Outcome, Outgoing } from './channel.js';
import type { ChannelKind } from './kind.js';

/** How many bytes of an answer are read, and how many characters of it are stored. */
const READ_BYTES = 64 * 1024;
const KEPT_CHARACTERS = 4_096;
/** Statuses that concern the destination as a whole and not this message. */
const UNREACHABLE = new Set([408, 425, 429, 500, 502, 503, 504]);

const settings = {
  /** Private addresses that webhooks may reach: `10.1.0.0/16`, `127.0.0.1`, `[::1]:8080`. */
  allowedAddresses: list({ env: 'BATUTA_NOTIFICATIONS_ALLOWED_ADDRESSES', default: [] }),
} as const;

export const webhook = {
  settings,
  open: ({ allowedAddresses }, { templates, secrets, secretSource, headers, logger, resolve }) =>
    webhookChannel({
      client: new GuardedClient(addressPolicy(allowedAddresses), resolve),
      logger,
      templates,
      secrets: secretSource,
      signing: (tenantId, callbackId) => secrets.signing(tenantId, callbackId),
      headers: (tenantId, callbackId, channelIndex) => headers.sending(tenantId, callbackId, channelIndex),
    }),
  templates: { callback_body_template: 'text' },
  kept: ({ callback_url: url = '', callback_method: method = 'POST', callback_headers: headers = {}, ...rest }) => ({
    ...rest,
    // A URL that refers to a secret stays as it is written until the secret stands in it.
    callback_url: secretNames(url).length > 0 ? url : new URL(url).href,
    callback_method: method,
    callback_headers: Object.fromEntries(Object.entries(headers).map(([name, text]) => [name.toLowerCase(), text])),
  }),
  target: ({ callback_url: url }) => url ?? '',
  // One tenant's calls to one server.
  destination: ({ callback_url: url = '' }, tenantId) =>
    `webhook ${tenantId} ${URL.canParse(url) ? new URL(url).origin : 'invalid'}`,
} satisfies ChannelKind<SettingsOf<typeof settings>>;

interface WebhookOptions {
  readonly client: GuardedClient;
  readonly logger: Logger;
  readonly templates: Templates;
  readonly secrets: SecretSource;
  /** The secrets that sign now, the newest first. */
  readonly signing: (tenantId: string, callbackId: string | null) => Promise<readonly string[]>;
  /** The headers that the user has set for a channel of a callback. Undefined when the callback was deleted. */
  readonly headers: (
    tenantId: string,
    callbackId: string,
    channelIndex: number,
  ) => Promise<Readonly<Record<string, string>> | undefined>;
}

/** Webhooks according to Standard Webhooks: https://github.com/standard-webhooks/standard-webhooks. */
function webhookChannel({ client, logger, templates, secrets: source, signing, headers }: WebhookOptions): Channel {
  return {
    type: 'webhook',
    async send(outgoing) {
      let body: string;
      try {
        body = await bodyOf(outgoing, templates);
      } catch (error) {
        if (error instanceof TemplateError) return { result: 'refused', error: `the template: ${error.message}` };
        throw error;
      }
      const { settings, id, tenantId, callbackId, channelIndex } = outgoing;
      const secrets = await signing(tenantId, callbackId);
      const hasOwn = callbackId !== null && Object.keys(settings.callback_headers ?? {}).length > 0;
      const own = hasOwn ? await headers(tenantId, callbackId, channelIndex) : {};
      if (own === undefined) return { result: 'refused', error: 'the callback was deleted' };
      // The short form comes with a start, and its URL never contains references.
      const written = { url: settings.callback_url ?? '', headers: own };
      const names = callbackId === null ? [] : secretNames([written.url, ...Object.values(own)].join('\n'));
      let filled: Filled = { ...written, hidden: undefined, release: () => undefined };
      if (names.length > 0) {
        const found = await fill(written, names, outgoing, source);
        if ('result' in found) return found;
        filled = found;
      }
      const at = new Date();
      const signatures = secrets.map((secret) => new Webhook(secret).sign(id, at, body));
      try {
        const answer = await client.call({
          tenantId,
          url: filled.url,
          method: settings.callback_method ?? 'POST',
          headers: {
            'content-type': isJson(body) ? 'application/json' : 'text/plain; charset=utf-8',
            'user-agent': 'Batuta-Webhooks/1',
            // The answer is cut off, and a part of compressed data cannot be decompressed.
            'accept-encoding': 'identity',
            ...(outgoing.traceparent === undefined ? {} : { traceparent: outgoing.traceparent }),
            ...filled.headers,
            'webhook-id': id,
            'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
            'webhook-signature': signatures.join(' '),
          },
          body,
          signal: outgoing.signal,
          maxBytes: READ_BYTES,
          longBody: 'cut',
          // Receivers recognise repeats by the id, so the call may be repeated.
          repeatable: true,
          maxRedirects: 0,
        });
        return outcomeOf(answer, filled.hidden);
      } catch (error) {
        const refusal = addressRefusal(error);
        if (refusal !== undefined) {
          logger.warn(
            { tenant_id: tenantId, callback_id: callbackId, reason: refusal.detail },
            'a webhook was refused an address',
          );
        }
        const failure = failureOf(error, outgoing.signal);
        return filled.hidden?.json(failure) ?? failure;
      } finally {
        filled.release();
      }
    },
    close: () => client.close(),
  };
}

interface Filled {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly hidden: HiddenValues | undefined;
  /** Call it when the values do not need to be hidden any more. */
  readonly release: () => void;
}

/** Replaces references by the secrets' values. Returns an outcome when this is not possible. */
async function fill(
  written: Pick<Filled, 'url' | 'headers'>,
  names: readonly string[],
  { tenantId, callbackId, executionId, signal }: Outgoing,
  source: SecretSource,
): Promise<Filled | Outcome> {
  try {
    const user = { tenantId, executionId, callbackId: callbackId ?? '' };
    const { values, hidden } = await source.resolve(user, names, signal);
    const headers = Object.entries(written.headers).map(([name, text]) => [name, withSecrets(text, values)] as const);
    return {
      url: withSecrets(written.url, values),
      headers: Object.fromEntries(headers),
      hidden,
      release: hideEverywhere(values.values()),
    };
  } catch (error) {
    if (error instanceof SecretMissingError) {
      return { result: 'failed', unreachable: false, error: `secret_missing: ${error.message}` };
    }
    if (signal.aborted) return failureOf(error, signal);
    throw error;
  }
}

async function bodyOf({ settings, message }: Outgoing, templates: Templates): Promise<string> {
  const template = settings.callback_body_template;
  return template === undefined
    ? JSON.stringify(defaultContent(message))
    : await templates.render(template, 'text', valuesOf(message), message.execution.tenant_id);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function outcomeOf(answer: CallAnswer, hidden: HiddenValues | undefined): Outcome {
  const { status } = answer;
  const response = { responseStatus: status, responseBody: shownBody(answer.body, hidden) };
  if (status >= 200 && status < 300) return { result: 'delivered', ...response };
  if (status === 410) return { result: 'refused', gone: true, error: 'answered with 410: gone', ...response };
  if (status >= 300 && status < 400) {
    return {
      result: 'failed',
      unreachable: false,
      error: `answered with ${status}: redirects are not followed`,
      ...response,
    };
  }
  return {
    result: 'failed',
    unreachable: UNREACHABLE.has(status),
    error: `answered with ${status}`,
    retryAfterMs: retryAfter(answer.headers['retry-after']),
    ...response,
  };
}

/** Shows characters that PostgreSQL cannot store as U+FFFD. */
function shownBody(body: Buffer, hidden: HiddenValues | undefined): string {
  const text = body.toString('utf8');
  return (hidden?.text(text) ?? text).replaceAll('\0', '\uFFFD').slice(0, KEPT_CHARACTERS).toWellFormed();
}

/** Milliseconds of a `Retry-After` header (RFC 9110, 10.2.3). */
function retryAfter(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = /^\d{1,6}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) && ms > 0 ? ms : undefined;
}

function failureOf(error: unknown, signal: AbortSignal): Outcome {
  if (signal.aborted) return { result: 'failed', unreachable: true, error: reasonOf(signal.reason) };
  const refusal = addressRefusal(error);
  if (refusal !== undefined) return { result: 'refused', error: refusal.message };
  if (error instanceof InvalidCallError) {
    return { result: 'refused', error: `the call is not possible: ${error.message}` };
  }
  return { result: 'failed', unreachable: true, error: reasonOf(error) };
}
