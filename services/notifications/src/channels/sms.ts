import { secret, text, url } from '@batuta/settings';
import type { SettingsOf } from '@batuta/settings';
import type { LookupFunction } from 'node:net';
import { Agent as Dispatcher, request } from 'undici';
import { cutTo, summaryOf, valuesOf } from '../templates/message.js';
import { TemplateError } from '../templates/templates.js';
import type { Templates } from '../templates/templates.js';
import { reasonOf } from './channel.js';
import type { Channel, Outcome } from './channel.js';
import type { ChannelKind } from './kind.js';

const settings = {
  /** Base URL of an SMS provider with an API like Twilio's. Without it there is no SMS. */
  smsUrl: url({ env: 'BATUTA_NOTIFICATIONS_SMS_URL', protocols: ['https', 'http'], optional: true }),
  smsAccount: text({ env: 'BATUTA_NOTIFICATIONS_SMS_ACCOUNT', pattern: /^[A-Za-z0-9_-]{1,64}$/, optional: true }),
  smsToken: secret({ env: 'BATUTA_NOTIFICATIONS_SMS_TOKEN', optional: true }),
  smsFrom: text({ env: 'BATUTA_NOTIFICATIONS_SMS_FROM', optional: true }),
} as const;

export const sms = {
  settings,
  contradictions({ smsUrl, smsAccount, smsToken, smsFrom }) {
    const all = [smsUrl, smsAccount, smsToken, smsFrom];
    if (all.every((value) => value === undefined) || !all.includes(undefined)) return [];
    const variables = ['URL', 'ACCOUNT', 'TOKEN', 'FROM'].map((name) => `BATUTA_NOTIFICATIONS_SMS_${name}`);
    return [{ variables, expected: 'must be set together or not at all' }];
  },
  open({ smsUrl, smsAccount: account, smsToken, smsFrom: from }, { templates, lookup }) {
    if (smsUrl === undefined || account === undefined || smsToken === undefined || from === undefined) return undefined;
    return smsChannel(twilioProvider({ url: smsUrl, account, token: smsToken.reveal(), from, lookup }), templates);
  },
  templates: { callback_body_template: 'text' },
  target: ({ to: [number = ''] = [] }) => `tel:${number}`,
} satisfies ChannelKind<SettingsOf<typeof settings>>;

/** Sends text messages. */
interface SmsProvider {
  /** Hands one message over. Expected failures are outcomes. */
  send(to: string, text: string, signal: AbortSignal): Promise<Outcome>;
  close(): Promise<void>;
}

interface TwilioOptions {
  readonly url: string;
  readonly account: string;
  readonly token: string;
  readonly from: string;
  readonly lookup: LookupFunction;
}

const MAX_CHARACTERS = 1_600;
const READ_BYTES = 64 * 1024;

/** A provider with Twilio's Messages resource: https://www.twilio.com/docs/messaging/api/message-resource. */
function twilioProvider({ url, account, token, from, lookup }: TwilioOptions): SmsProvider {
  const resource = `${url.replace(/\/+$/, '')}/2010-04-01/Accounts/${encodeURIComponent(account)}/Messages.json`;
  const dispatcher = new Dispatcher({ connect: { lookup } });
  return {
    close: () => dispatcher.destroy(),
    async send(to, text, signal) {
      try {
        const answer = await request(resource, {
          method: 'POST',
          headers: {
            authorization: `Basic ${Buffer.from(`${account}:${token}`).toString('base64')}`,
            'content-type': 'application/x-www-form-urlencoded',
          },
          body: new URLSearchParams({ To: to, From: from, Body: text }).toString(),
          signal,
          dispatcher,
        });
        const { statusCode: responseStatus } = answer;
        if (responseStatus >= 200 && responseStatus < 300) {
          await answer.body.dump({ limit: READ_BYTES });
          return { result: 'sent', responseStatus };
        }
        await answer.body.dump({ limit: READ_BYTES });
        const error = `the SMS provider answered with ${responseStatus}`;
        // 401 and 403 concern the platform's own account, which the operator must repair.
        const isFinal = responseStatus >= 400 && responseStatus < 500 && ![401, 403, 408, 429].includes(responseStatus);
        return isFinal
          ? { result: 'refused', error, responseStatus }
          : { result: 'failed', error, unreachable: true, responseStatus };
      } catch (error) {
        return { result: 'failed', unreachable: true, error: reasonOf(signal.aborted ? signal.reason : error) };
      }
    },
  };
}

function smsChannel(provider: SmsProvider, templates: Templates): Channel {
  return {
    type: 'sms',
    async send({ settings, message, signal }) {
      const [to] = settings.to ?? [];
      if (to === undefined) return { result: 'refused', error: 'there is no number' };
      let text: string;
      try {
        const own =
          settings.callback_body_template === undefined
            ? ''
            : lines(
                await templates.render(
                  settings.callback_body_template,
                  'text',
                  valuesOf(message),
                  message.execution.tenant_id,
                ),
              );
        // Providers permanently refuse a message without text.
        text = own === '' ? lines(summaryOf(message)) : own;
      } catch (error) {
        if (error instanceof TemplateError) return { result: 'refused', error: `the template: ${error.message}` };
        throw error;
      }
      return provider.send(to, cutTo(text, MAX_CHARACTERS).toWellFormed(), signal);
    },
    close: () => provider.close(),
  };
}

/** A text message may have line breaks. Every other control character becomes a space. */
function lines(text: string): string {
  return text
    .replaceAll(/\r\n?|[\u0085\u2028\u2029]/g, '\n')
    .replaceAll(/[^\P{Cc}\n]+/gu, ' ')
    .trim();
}
