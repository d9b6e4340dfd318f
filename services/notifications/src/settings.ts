import { LOG_LEVELS } from '@batuta/observability';
import { integer, list, loadSettings, milliseconds, oneOf, secret, text } from '@batuta/settings';
import type { SettingsOf, SettingsProblem } from '@batuta/settings';
import { encryptionKeysOf } from '@batuta/service';
import { CHANNEL_SETTINGS, CHANNELS } from './channels/index.js';
import type { ChannelKind } from './channels/kind.js';

const schema = {
  /** `postgres://user:password@host:5432/database`. Its schema `notifications` is made when it is missing. */
  databaseUrl: secret({ env: 'DATABASE_URL' }),
  /** A file with the password of that URL's user; `{service}` in it and in the URL stands for this service. */
  databasePasswordFile: text({ env: 'DATABASE_PASSWORD_FILE', optional: true }),
  /** The same database as the owner of the schemas. With it, a start brings the schema up to date as this user. */
  databaseOwnerUrl: secret({ env: 'DATABASE_OWNER_URL', optional: true }),
  natsUrl: secret({ env: 'NATS_URL' }),
  /**
   * A file of NATS credentials, in addition to or instead of user and password in the URL; `{service}` stands for this
   * service.
   */
  natsCredentials: text({ env: 'NATS_CREDS', optional: true }),
  /**
   * A file with the certificates of authorities that may sign the NATS server's certificate. The server must use TLS
   * then.
   */
  natsTlsCa: text({ env: 'BATUTA_NATS_TLS_CA', optional: true }),
  databaseConnections: integer({ env: 'BATUTA_NOTIFICATIONS_DATABASE_CONNECTIONS', default: 10, min: 3, max: 200 }),
  /** Port of /health and /metrics; 0 takes a free one. */
  httpPort: integer({ env: 'BATUTA_NOTIFICATIONS_HTTP_PORT', default: 0, min: 0, max: 65_535 }),
  httpHost: text({ env: 'BATUTA_NOTIFICATIONS_HTTP_HOST', default: '127.0.0.1' }),
  logLevel: oneOf(LOG_LEVELS, { env: 'BATUTA_LOG_LEVEL', default: 'info' }),
  /** Bearer token for PUT /log-level; without it only this machine may change the level. */
  opsToken: secret({ env: 'BATUTA_OPS_TOKEN', optional: true }),
  /** How often it reads each partition's log without a wake-up. */
  pollMs: milliseconds({ env: 'BATUTA_NOTIFICATIONS_POLL', default: 5_000, min: 20, max: 600_000 }),
  /** How often it looks for due deliveries and fallbacks without a wake-up. */
  dueMs: milliseconds({ env: 'BATUTA_NOTIFICATIONS_DUE', default: 500, min: 10, max: 60_000 }),
  /** Most attempts at once, and most of them to one destination. */
  concurrency: integer({ env: 'BATUTA_NOTIFICATIONS_CONCURRENCY', default: 64, min: 1, max: 1_000 }),
  destinationConcurrency: integer({
    env: 'BATUTA_NOTIFICATIONS_DESTINATION_CONCURRENCY',
    default: 8,
    min: 1,
    max: 1_000,
  }),
  /** One attempt, from the connection to the end of the answer. */
  attemptTimeoutMs: milliseconds({
    env: 'BATUTA_NOTIFICATIONS_ATTEMPT_TIMEOUT',
    default: 15_000,
    min: 50,
    max: 120_000,
  }),
  /** After this time, the attempt of a dead process is repeated. */
  leaseMs: milliseconds({ env: 'BATUTA_NOTIFICATIONS_LEASE', default: 45_000, min: 100, max: 600_000 }),
  /** A retry waits for a random time up to this limit. The limit doubles with each retry, up to `retryMaxMs`. */
  retryBaseMs: milliseconds({ env: 'BATUTA_NOTIFICATIONS_RETRY_BASE', default: 5_000, min: 1, max: 600_000 }),
  retryMaxMs: milliseconds({ env: 'BATUTA_NOTIFICATIONS_RETRY_MAX', default: 3_600_000, min: 1, max: 86_400_000 }),
  maxRetries: integer({ env: 'BATUTA_NOTIFICATIONS_MAX_RETRIES', default: 16, min: 0, max: 50 }),
  /** A delivery that is not delivered by then is given up. Older events make no deliveries at all. */
  giveUpMs: milliseconds({ env: 'BATUTA_NOTIFICATIONS_GIVE_UP', default: 259_200_000, min: 1_000, max: 2_592_000_000 }),
  /** Failures in a row after which a destination gets a pause. */
  breakerFailures: integer({ env: 'BATUTA_NOTIFICATIONS_BREAKER_FAILURES', default: 5, min: 1, max: 1_000 }),
  breakerOpenMs: milliseconds({ env: 'BATUTA_NOTIFICATIONS_BREAKER_OPEN', default: 30_000, min: 10, max: 3_600_000 }),
  /** Finished deliveries and acknowledged notifications are kept this long. */
  keepMs: milliseconds({ env: 'BATUTA_NOTIFICATIONS_KEEP', default: 2_592_000_000, min: 60_000, max: 31_536_000_000 }),
  /** How long the previous secret also signs. */
  secretOverlapMs: milliseconds({
    env: 'BATUTA_NOTIFICATIONS_SECRET_OVERLAP',
    default: 86_400_000,
    min: 0,
    max: 2_592_000_000,
  }),
  /**
   * Keys that encrypt signing secrets in the database: 32 bytes in Base64. While a key is replaced, several keys
   * separated by commas: the first encrypts, all of them decrypt. Without a key, secrets are stored in the clear.
   */
  encryptionKeys: secret({ env: 'BATUTA_NOTIFICATIONS_ENCRYPTION_KEYS', optional: true }),
  /**
   * Name servers for the hosts of webhooks, mail and SMS: `10.0.0.53`, `[::1]:5353`. Default: those of
   * /etc/resolv.conf.
   */
  dnsServers: list({ env: 'BATUTA_DNS_SERVERS', default: [] }),
  /** Time limit for the lookup of one host name. */
  dnsTimeoutMs: milliseconds({ env: 'BATUTA_DNS_TIMEOUT', default: 5_000, min: 50, max: 60_000 }),
  /** Threads that render users' templates. */
  sandboxThreads: integer({ env: 'BATUTA_NOTIFICATIONS_SANDBOX_THREADS', default: 2, min: 1, max: 64 }),
  ...CHANNEL_SETTINGS,
} as const;

export type NotificationsSettings = SettingsOf<typeof schema>;

function contradictions(settings: NotificationsSettings): SettingsProblem[] {
  const problems: SettingsProblem[] = [];
  if (settings.leaseMs <= settings.attemptTimeoutMs) {
    problems.push({
      variables: ['BATUTA_NOTIFICATIONS_LEASE', 'BATUTA_NOTIFICATIONS_ATTEMPT_TIMEOUT'],
      expected: 'must be longer than an attempt may take, or attempts are made twice',
    });
  }
  if (settings.encryptionKeys !== undefined && encryptionKeysOf(settings.encryptionKeys.reveal()) === undefined) {
    problems.push({
      variables: ['BATUTA_NOTIFICATIONS_ENCRYPTION_KEYS'],
      expected: 'must be 32 bytes in Base64 (openssl rand -base64 32), or several of them separated by commas',
    });
  }
  for (const kind of Object.values<ChannelKind<NotificationsSettings>>(CHANNELS)) {
    problems.push(...(kind.contradictions?.(settings) ?? []));
  }
  return problems;
}

/**
 * The notifications service's settings from environment variables. Throws a `SettingsError` that names each wrong one.
 */
export function loadNotificationsSettings(
  env: Readonly<Record<string, string | undefined>> = process.env,
): NotificationsSettings {
  return loadSettings(schema, env, contradictions);
}

/** Milliseconds that it needs at most between SIGTERM and its end. */
export const drainMsOf = ({ attemptTimeoutMs }: NotificationsSettings): number => attemptTimeoutMs;
