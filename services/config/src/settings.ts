import { DEFAULT_STEP_TIMEOUT_MS, TENANT_LIMIT_NAMES, tenantLimitsOf, TOKEN } from '@batuta/contracts';
import type { TenantLimits } from '@batuta/contracts';
import { LOG_LEVELS } from '@batuta/observability';
import { encryptionKeysOf } from '@batuta/service';
import { integer, list, loadSettings, milliseconds, oneOf, secret, text } from '@batuta/settings';
import type { SettingsOf } from '@batuta/settings';

const schema = {
  /** `postgres://user:password@host:5432/database`. Its schema `config` is made when it is missing. */
  databaseUrl: secret({ env: 'DATABASE_URL' }),
  /** A file with the password of that URL's user; `{service}` in it and in the URL stands for this service. */
  databasePasswordFile: text({ env: 'DATABASE_PASSWORD_FILE', optional: true }),
  /** The same database as the owner of the schemas. With it, a start brings the schema up to date as this user. */
  databaseOwnerUrl: secret({ env: 'DATABASE_OWNER_URL', optional: true }),
  natsUrl: secret({ env: 'NATS_URL' }),
  /**
   * Keys that make users of the NATS server, for credentials of workers. Without them this service makes no
   * credentials.
   */
  natsKeysFile: text({ env: 'BATUTA_NATS_KEYS', optional: true }),
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
  /** Connections to PostgreSQL. Bringing the schema up to date takes two of them. */
  databaseConnections: integer({ env: 'BATUTA_CONFIG_DATABASE_CONNECTIONS', default: 10, min: 2, max: 200 }),
  /** Port of /health and /metrics; 0 takes a free one. */
  httpPort: integer({ env: 'BATUTA_CONFIG_HTTP_PORT', default: 0, min: 0, max: 65_535 }),
  httpHost: text({ env: 'BATUTA_CONFIG_HTTP_HOST', default: '127.0.0.1' }),
  /**
   * Pools of workers in which every tenant may have agents, in addition to the built-in one. Any other pool belongs to
   * the first tenant that uses it.
   */
  sharedPools: list({ env: 'BATUTA_SHARED_POOLS', default: [], pattern: TOKEN, describe: 'pool names' }),
  /**
   * Keys that encrypt values of secrets: 32 bytes in Base64 each, the newest first. Without a key there are no secrets.
   */
  secretsKeys: secret({ env: 'BATUTA_SECRETS_KEYS', optional: true }),
  /** A file with these keys, instead. */
  secretsKeysFile: text({ env: 'BATUTA_SECRETS_KEYS_FILE', optional: true }),
  /** Limits of tenants without their own, such as `starts_per_second=50,websockets=200`. 0 means no limit. */
  tenantLimits: list({
    env: 'BATUTA_TENANT_LIMITS',
    default: [],
    pattern: /^[a-z_]+=\d+(\.\d+)?$/,
    describe: `limits: ${TENANT_LIMIT_NAMES.join('=, ')}=`,
  }),
  /** The largest `timeout_ms` that a config may give a step. An attempt occupies a slot of a runner for this time. */
  longestStepMs: milliseconds({
    env: 'BATUTA_MAX_STEP_TIMEOUT',
    default: 2_147_483_647,
    min: DEFAULT_STEP_TIMEOUT_MS,
    max: 2_147_483_647,
  }),
  /** Threads for users' schemas, and the same number for their expressions. */
  sandboxThreads: integer({ env: 'BATUTA_CONFIG_SANDBOX_THREADS', default: 2, min: 1, max: 64 }),
  /** File that gets the first admin key of an empty installation, readable by its owner only. */
  adminKeyFile: text({ env: 'BATUTA_ADMIN_KEY_FILE', optional: true }),
  logLevel: oneOf(LOG_LEVELS, { env: 'BATUTA_LOG_LEVEL', default: 'info' }),
  /** Bearer token for PUT /log-level; without it only this machine may change the level. */
  opsToken: secret({ env: 'BATUTA_OPS_TOKEN', optional: true }),
} as const;

export type ConfigSettings = SettingsOf<typeof schema>;

/**
 * The config service's settings from environment variables. Throws a `SettingsError` that names each wrong variable.
 */
export function loadConfigSettings(env: Readonly<Record<string, string | undefined>> = process.env): ConfigSettings {
  return loadSettings(schema, env, ({ secretsKeys, secretsKeysFile, tenantLimits }) => {
    if (writtenLimits(tenantLimits) === undefined) {
      const expected = `must be limits with numbers in their ranges: ${TENANT_LIMIT_NAMES.join(', ')}`;
      return [{ variables: ['BATUTA_TENANT_LIMITS'], expected }];
    }
    if (secretsKeys !== undefined && secretsKeysFile !== undefined) {
      return [{ variables: ['BATUTA_SECRETS_KEYS', 'BATUTA_SECRETS_KEYS_FILE'], expected: 'must not both be set' }];
    }
    return secretsKeys !== undefined && encryptionKeysOf(secretsKeys.reveal()) === undefined
      ? [
          {
            variables: ['BATUTA_SECRETS_KEYS'],
            expected: 'must be 32 bytes in Base64 (openssl rand -base64 32), or several of them separated by commas',
          },
        ]
      : [];
  });
}

function writtenLimits(written: readonly string[]): TenantLimits | undefined {
  return tenantLimitsOf(
    Object.fromEntries(written.map((entry) => entry.split('=', 2)).map(([name = '', value]) => [name, Number(value)])),
  );
}

/** The limits of tenants without their own. */
export function defaultLimitsOf({ tenantLimits }: Pick<ConfigSettings, 'tenantLimits'>): TenantLimits {
  return writtenLimits(tenantLimits) ?? {};
}

/** Milliseconds that it needs at most between SIGTERM and its end. */
export const drainMsOf = (_settings: ConfigSettings): number => 1_000;
