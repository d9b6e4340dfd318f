import type { Logger } from '@batuta/observability';
import { addressRefusal, GuardedClient, InvalidCallError } from '@batuta/outbound-http';
import type { CallAnswer } from '@batuta/outbound-http';
import { Webhook } from 'standardwebhooks';
import { defaultContent, valuesOf } from '../templates/message.js';
import { TemplateError } from '../templates/templates.js';
import type { Templates } from '../templates/templates.js';
import { reasonOf } from './channel.js';
import type { Channel, Outcome, Outgoing } from './channel.js';

/** Bytes of an answer that are read, and characters of it that are kept. */
const READ_BYTES = 64 * 1024;
const KEPT_CHARACTERS = 4_096;
/** Statuses that say something about the destination as a whole and not about this message. */
const UNREACHABLE = new Set([408, 425, 429, 500, 502, 503, 504]);

export interface WebhookOptions {
  readonly client: GuardedClient;
  readonly logger: Logger;
  readonly templates: Templates;
  /** The secrets that sign now, the newest first. */
  readonly signing: (tenantId: string, callbackId: string | null) => Promise<readonly string[]>;
  /** The headers that the user has set for a channel of a callback; undefined when the callback was deleted. */
  readonly headers: (
    tenantId: string,
    callbackId: string,
    channelIndex: number,
  ) => Promise<Readonly<Record<string, string>> | undefined>;
}

/** Webhooks as Standard Webhooks has them: https://github.com/standard-webhooks/standard-webhooks. */
export function webhookChannel({ client, logger, templates, signing, headers }: WebhookOptions): Channel {
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
      const at = new Date();
      const signatures = secrets.map((secret) => new Webhook(secret).sign(id, at, body));
      try {
        const answer = await client.call({
          tenantId,
          url: settings.callback_url ?? '',
          method: settings.callback_method ?? 'POST',
          headers: {
            'content-type': isJson(body) ? 'application/json' : 'text/plain; charset=utf-8',
            'user-agent': 'Batuta-Webhooks/1',
            // What is cut off cannot be decompressed.
            'accept-encoding': 'identity',
            ...(outgoing.traceparent === undefined ? {} : { traceparent: outgoing.traceparent }),
            ...own,
            'webhook-id': id,
            'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
            'webhook-signature': signatures.join(' '),
          },
          body,
          signal: outgoing.signal,
          maxBytes: READ_BYTES,
          longBody: 'cut',
          // Receivers know repeats by the id.
          repeatable: true,
          maxRedirects: 0,
        });
        return outcomeOf(answer);
      } catch (error) {
        const refusal = addressRefusal(error);
        if (refusal !== undefined) {
          logger.warn(
            { tenant_id: tenantId, callback_id: callbackId, reason: refusal.detail },
            'an address was refused to a webhook',
          );
        }
        return failureOf(error, outgoing.signal);
      }
    },
    close: () => client.close(),
  };
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

function outcomeOf(answer: CallAnswer): Outcome {
  const { status } = answer;
  const response = { responseStatus: status, responseBody: shownBody(answer.body) };
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

/** What PostgreSQL cannot store is shown as U+FFFD. */
function shownBody(body: Buffer): string {
  return body.toString('utf8').replaceAll('\0', '\uFFFD').slice(0, KEPT_CHARACTERS).toWellFormed();
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
  if (error instanceof InvalidCallError)
    return { result: 'refused', error: `the call is not possible: ${error.message}` };
  return { result: 'failed', unreachable: true, error: reasonOf(error) };
}
