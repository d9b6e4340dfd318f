import { DEFAULT_STEP_TIMEOUT_MS, TENANT_LIMIT_NAMES, tenantLimitsOf, TOKEN } from '@batuta/contracts';
import type { TenantLimits } from '@batuta/contracts';
import { LOG_LEVELS } from '@batuta/observability';
import { encryptionKeysOf } from '@batuta/service';
import { integer, list, loadSettings, milliseconds, oneOf, secret, text } from '@batuta/settings';
import type { SettingsOf } from '@batuta/settings';

const schema = {
  /** `postgres://user:password@host:5432/database`; its schema `config` is made when missing. */
  databaseUrl: secret({ env: 'DATABASE_URL' }),
  /** A file with the password of that URL's user; `{service}` in it and in the URL stands for this service. */
  databasePasswordFile: text({ env: 'DATABASE_PASSWORD_FILE', optional: true }),
  /** The same database as the owner of the schemas: a start then brings the schema up to date under this user. */
  databaseOwnerUrl: secret({ env: 'DATABASE_OWNER_URL', optional: true }),
  natsUrl: secret({ env: 'NATS_URL' }),
  /** Keys that make users of the NATS server, for credentials of workers; without them nobody can have any from here. */
  natsKeysFile: text({ env: 'BATUTA_NATS_KEYS', optional: true }),
  /** A file of NATS credentials, beside or instead of user and password in the URL; `{service}` stands for this service. */
  natsCredentials: text({ env: 'NATS_CREDS', optional: true }),
  /** A file with certificates of those who may vouch for the NATS server; it must have TLS then. */
  natsTlsCa: text({ env: 'BATUTA_NATS_TLS_CA', optional: true }),
  /** Connections to PostgreSQL, also while the schema is brought up to date (that takes two). */
  databaseConnections: integer({ env: 'BATUTA_CONFIG_DATABASE_CONNECTIONS', default: 10, min: 2, max: 200 }),
  /** Port of /health and /metrics; 0 takes a free one. */
  httpPort: integer({ env: 'BATUTA_CONFIG_HTTP_PORT', default: 0, min: 0, max: 65_535 }),
  httpHost: text({ env: 'BATUTA_CONFIG_HTTP_HOST', default: '127.0.0.1' }),
  /** Pools of workers that every tenant may have agents in, besides the built-in one; others are the first tenant's that uses them. */
  sharedPools: list({ env: 'BATUTA_SHARED_POOLS', default: [], pattern: TOKEN, describe: 'pool names' }),
  /** What values of secrets are encrypted with: keys of 32 bytes in Base64, the newest first; without one there are no secrets. */
  secretsKeys: secret({ env: 'BATUTA_SECRETS_KEYS', optional: true }),
  /** A file with the same, instead. */
  secretsKeysFile: text({ env: 'BATUTA_SECRETS_KEYS_FILE', optional: true }),
  /** What tenants may use that have no limits of their own, such as `starts_per_second=50,websockets=200`; 0 sets no limit. */
  tenantLimits: list({
    env: 'BATUTA_TENANT_LIMITS',
    default: [],
    pattern: /^[a-z_]+=\d+(\.\d+)?$/,
    describe: `limits: ${TENANT_LIMIT_NAMES.join('=, ')}=`,
  }),
  /** The largest `timeout_ms` that a config may give a step; an attempt holds a slot of a runner for so long. */
  longestStepMs: milliseconds({
    env: 'BATUTA_MAX_STEP_TIMEOUT',
    default: 2_147_483_647,
    min: DEFAULT_STEP_TIMEOUT_MS,
    max: 2_147_483_647,
  }),
  /** Threads for users' schemas and as many for their expressions. */
  sandboxThreads: integer({ env: 'BATUTA_CONFIG_SANDBOX_THREADS', default: 2, min: 1, max: 64 }),
  /** File that gets the first admin key of an empty installation, readable by its owner only. */
  adminKeyFile: text({ env: 'BATUTA_ADMIN_KEY_FILE', optional: true }),
  logLevel: oneOf(LOG_LEVELS, { env: 'BATUTA_LOG_LEVEL', default: 'info' }),
  /** Bearer token for PUT /log-level; without it only this machine may change the level. */
  opsToken: secret({ env: 'BATUTA_OPS_TOKEN', optional: true }),
} as const;

export type ConfigSettings = SettingsOf<typeof schema>;

/** The config service's settings from environment variables; throws a `SettingsError` that names each wrong variable. */
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
            expected: 'must be 32 bytes in Base64 (openssl rand -base64 32), or several of them with commas between',
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

/** What holds for tenants without limits of their own. */
export function defaultLimitsOf({ tenantLimits }: Pick<ConfigSettings, 'tenantLimits'>): TenantLimits {
  return writtenLimits(tenantLimits) ?? {};
}
