import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { BlockList, connect, isIP } from 'node:net';
import type { LookupFunction, Socket } from 'node:net';
import { rootCertificates } from 'node:tls';
import { EMAIL_ADDRESS } from '@batuta/contracts';
import { boolean, integer, secret, SettingsError, text } from '@batuta/settings';
import type { SettingsOf, SettingsProblem } from '@batuta/settings';
import { createTransport } from 'nodemailer';
import type { SMTPPoolOptions } from 'nodemailer';
import { cutTo, defaultContent, oneLine, summaryOf, valuesOf } from '../templates/message.js';
import { TemplateError } from '../templates/templates.js';
import type { Templates } from '../templates/templates.js';
import { reasonOf } from './channel.js';
import type { Channel, Outcome } from './channel.js';
import type { ChannelKind } from './kind.js';

const settings = {
  /** `smtp://user:password@host:587` or `smtps://…:465`; without it there is no email. */
  smtpUrl: secret({ env: 'BATUTA_NOTIFICATIONS_SMTP_URL', optional: true }),
  /** `Batuta <batuta@example.org>` or a bare address. */
  smtpFrom: text({ env: 'BATUTA_NOTIFICATIONS_SMTP_FROM', optional: true }),
  /**
   * With `smtp://`: refuse to send when the server has no STARTTLS. Default: true, except for a server on this machine.
   */
  smtpRequireTls: boolean({ env: 'BATUTA_NOTIFICATIONS_SMTP_REQUIRE_TLS', optional: true }),
  /** Switch it off only for servers with a self-signed certificate. */
  smtpVerifyTls: boolean({ env: 'BATUTA_NOTIFICATIONS_SMTP_VERIFY_TLS', default: true }),
  /** File with PEM certificates of additional authorities that may sign the SMTP server's certificate. */
  smtpCa: text({ env: 'BATUTA_NOTIFICATIONS_SMTP_CA', optional: true }),
  smtpConnections: integer({ env: 'BATUTA_NOTIFICATIONS_SMTP_CONNECTIONS', default: 5, min: 1, max: 100 }),
} as const;

type EmailSettings = SettingsOf<typeof settings> & { readonly attemptTimeoutMs: number };

export const email = {
  settings,
  contradictions({ smtpUrl, smtpFrom }) {
    const problems: SettingsProblem[] = [];
    if (smtpUrl !== undefined && smtpFrom === undefined) {
      problems.push({ variables: ['BATUTA_NOTIFICATIONS_SMTP_FROM'], expected: 'is required with an SMTP server' });
    }
    if (smtpUrl !== undefined && !/^smtps?:\/\/\S+$/.test(smtpUrl.reveal())) {
      problems.push({
        variables: ['BATUTA_NOTIFICATIONS_SMTP_URL'],
        expected: 'must be a URL that begins with smtp:// or smtps://',
      });
    }
    return problems;
  },
  open(own, { templates, lookup }) {
    const options = emailOptions(own, templates, lookup);
    return options === undefined ? undefined : emailChannel(options);
  },
  templates: { subject_template: 'text', callback_body_template: 'text', html_template: 'html' },
  target: ({ to = [] }) => `mailto:${to.join(',')}`,
} satisfies ChannelKind<EmailSettings>;

interface EmailOptions {
  /** `smtp://` or `smtps://`, with user and password. */
  readonly url: string;
  readonly from: string;
  readonly requireTls: boolean;
  readonly verifyTls: boolean;
  /** PEM certificates of additional authorities. */
  readonly authorities: readonly string[];
  readonly connections: number;
  readonly timeoutMs: number;
  readonly templates: Templates;
  readonly lookup: LookupFunction;
}

const MAX_SUBJECT = 500;

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** Mail to a server on this machine does not pass a network where others could read it. */
function isThisMachine(host: string): boolean {
  const version = isIP(host);
  return version === 0 ? host === 'localhost' : LOOPBACK.check(host, version === 6 ? 'ipv6' : 'ipv4');
}

const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, '');

/** The options of an email channel; undefined when no SMTP server is set. Throws a `SettingsError`. */
export function emailOptions(
  settings: EmailSettings,
  templates: Templates,
  lookup: LookupFunction,
): EmailOptions | undefined {
  const { smtpUrl, smtpFrom } = settings;
  if (smtpUrl === undefined || smtpFrom === undefined) return undefined;
  const url = smtpUrl.reveal();
  return {
    url,
    from: smtpFrom,
    requireTls: settings.smtpRequireTls ?? !isThisMachine(hostOf(new URL(url))),
    verifyTls: settings.smtpVerifyTls,
    authorities: settings.smtpCa === undefined ? [] : authoritiesIn(settings.smtpCa),
    connections: settings.smtpConnections,
    timeoutMs: settings.attemptTimeoutMs,
    templates,
    lookup,
  };
}

function authoritiesIn(file: string): string[] {
  const wrong = (expected: string): SettingsError =>
    new SettingsError([{ variables: ['BATUTA_NOTIFICATIONS_SMTP_CA'], expected }]);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw wrong(`must name a file that can be read (${reasonOf((error as { code?: unknown }).code)})`);
  }
  const found = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    for (const pem of found) new X509Certificate(pem);
  } catch {
    found.length = 0;
  }
  if (found.length === 0) throw wrong('must name a file with certificates in PEM');
  return found;
}

/** Email over a pool of SMTP connections. */
function emailChannel(options: EmailOptions): Channel {
  const server = new URL(options.url);
  const secure = server.protocol === 'smtps:';
  const { templates } = options;
  const host = hostOf(server);
  const port = server.port === '' ? (secure ? 465 : 587) : Number(server.port);
  const transport = createTransport({
    pool: true,
    maxConnections: options.connections,
    host,
    port,
    // nodemailer's own lookup first asks DNS alone, and then blocks a thread of the process with the system's lookup.
    getSocket(_options: unknown, callback: (error: Error | null, found?: { connection: Socket }) => void) {
      connected(host, port, options).then(
        (connection) => callback(null, { connection }),
        (error: unknown) => callback(error as Error),
      );
    },
    secure,
    requireTLS: !secure && options.requireTls,
    tls: {
      rejectUnauthorized: options.verifyTls,
      ...(options.authorities.length === 0 ? {} : { ca: [...rootCertificates, ...options.authorities] }),
    },
    ...(server.username === ''
      ? {}
      : { auth: { user: decodeURIComponent(server.username), pass: decodeURIComponent(server.password) } }),
    connectionTimeout: options.timeoutMs,
    greetingTimeout: options.timeoutMs,
    socketTimeout: options.timeoutMs,
    // The content is made here, so the mail library must not fetch or read anything for a user.
    disableFileAccess: true,
    disableUrlAccess: true,
  } satisfies SMTPPoolOptions);
  return {
    type: 'email',
    async send({ id, settings, message, signal }) {
      const to = settings.to ?? [];
      if (to.length === 0 || to.some((address) => !EMAIL_ADDRESS.test(address))) {
        return { result: 'refused', error: 'an address is not a valid recipient' };
      }
      let subject: string;
      let text: string;
      let html: string | undefined;
      try {
        const values = valuesOf(message);
        const own =
          settings.subject_template === undefined
            ? ''
            : oneLine(await templates.render(settings.subject_template, 'text', values, message.execution.tenant_id));
        // An email without a subject would not say what it is about.
        subject = own === '' ? oneLine(summaryOf(message)) : own;
        text =
          settings.callback_body_template === undefined
            ? `${summaryOf(message)}\n\n${JSON.stringify(defaultContent(message), null, 2)}\n`
            : await templates.render(settings.callback_body_template, 'text', values, message.execution.tenant_id);
        html =
          settings.html_template === undefined
            ? undefined
            : await templates.render(settings.html_template, 'html', values, message.execution.tenant_id);
      } catch (error) {
        if (error instanceof TemplateError) return { result: 'refused', error: `the template: ${error.message}` };
        throw error;
      }
      const sending = transport.sendMail({
        from: options.from,
        to: to.map((address) => ({ name: '', address })),
        subject: cutTo(subject, MAX_SUBJECT).toWellFormed(),
        text,
        ...(html === undefined ? {} : { html }),
        // The same on every attempt, so that receivers recognise repeats.
        messageId: `<${id}@batuta>`,
      });
      return Promise.race([
        sending.then(
          ({ response }): Outcome => ({ result: 'sent', responseStatus: codeOf(response), responseBody: response }),
          failureOf,
        ),
        aborted(signal),
      ]);
    },
    close() {
      transport.close();
      return Promise.resolve();
    },
  };
}

function connected(host: string, port: number, { lookup, timeoutMs }: EmailOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, lookup });
    const timer = setTimeout(() => {
      socket.destroy(new Error(`${host}:${port} did not answer within ${timeoutMs} ms`));
    }, timeoutMs);
    socket.once('error', reject);
    socket.once('close', () => clearTimeout(timer));
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.removeListener('error', reject);
      resolve(socket);
    });
  });
}

function codeOf(response: string): number | undefined {
  const code = Number(response.slice(0, 3));
  return Number.isInteger(code) && code > 0 ? code : undefined;
}

/** A 5yz reply is final for this message (RFC 5321, 4.2.1), but not a refused login, which the operator repairs. */
function failureOf(error: unknown): Outcome {
  const { responseCode, code } = error as { responseCode?: unknown; code?: unknown };
  const certificate = certificateProblem(error);
  if (certificate !== undefined) {
    return { result: 'failed', unreachable: true, error: `the SMTP server's certificate is refused: ${certificate}` };
  }
  const status = typeof responseCode === 'number' ? { responseStatus: responseCode } : {};
  const isFinal = typeof responseCode === 'number' && responseCode >= 500 && code !== 'EAUTH';
  return isFinal
    ? { result: 'refused', error: reasonOf(error), ...status }
    : { result: 'failed', unreachable: true, error: reasonOf(error), ...status };
}

/** Why TLS refused a certificate, in words; undefined for other errors. OpenSSL's codes: openssl-verification-options(1). */
function certificateProblem(error: unknown): string | undefined {
  const { message } = error as { message?: unknown };
  if (typeof message !== 'string') return undefined;
  return /certificate|altnames|CERT_|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)/i.test(message)
    ? message.slice(0, 400)
    : undefined;
}

function aborted(signal: AbortSignal): Promise<Outcome> {
  return new Promise((resolve) => {
    const give = (): void => resolve({ result: 'failed', unreachable: true, error: reasonOf(signal.reason) });
    if (signal.aborted) give();
    else signal.addEventListener('abort', give, { once: true });
  });
}
