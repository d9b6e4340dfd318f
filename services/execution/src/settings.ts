import { hostname } from 'node:os';
import { RETENTION_LIMITS } from '@batuta/contracts';
import { sealKeysOf } from '@batuta/event-store';
import { LOG_LEVELS } from '@batuta/observability';
import { bytes, integer, loadSettings, milliseconds, oneOf, secret, text } from '@batuta/settings';
import type { SettingsOf, SettingsProblem } from '@batuta/settings';

const schema = {
  /** `postgres://user:password@host:5432/database`; its schema `execution` is made when missing. */
  databaseUrl: secret({ env: 'DATABASE_URL' }),
  /** A file with the password of that URL's user; `{service}` in it and in the URL stands for this service. */
  databasePasswordFile: text({ env: 'DATABASE_PASSWORD_FILE', optional: true }),
  /** The same database as the owner of the schemas: a start then brings the schema up to date under this user. */
  databaseOwnerUrl: secret({ env: 'DATABASE_OWNER_URL', optional: true }),
  natsUrl: secret({ env: 'NATS_URL' }),
  /** A file of NATS credentials, beside or instead of user and password in the URL; `{service}` stands for this service. */
  natsCredentials: text({ env: 'NATS_CREDS', optional: true }),
  /** A file with certificates of those who may vouch for the NATS server; it must have TLS then. */
  natsTlsCa: text({ env: 'BATUTA_NATS_TLS_CA', optional: true }),
  /** Port of /health and /metrics; 0 takes a free one. */
  httpPort: integer({ env: 'BATUTA_EXECUTION_HTTP_PORT', default: 0, min: 0, max: 65_535 }),
  httpHost: text({ env: 'BATUTA_EXECUTION_HTTP_HOST', default: '127.0.0.1' }),
  /** Name among owners: the same after a restart, another for each process that runs at the same time. */
  name: text({
    env: 'BATUTA_EXECUTION_NAME',
    default: hostname(),
    pattern: /^[A-Za-z0-9._-]{1,100}$/,
    describe: 'a name of letters, digits, dots, dashes and underscores',
  }),
  /** Of a new installation; one that exists keeps its number. */
  defaultPartitions: integer({ env: 'BATUTA_EXECUTION_DEFAULT_PARTITIONS', default: 64, min: 1, max: 4_096 }),
  /** Number of partitions: the first start of all decides it, and every other number is refused after that. */
  partitions: integer({ env: 'BATUTA_EXECUTION_PARTITIONS', optional: true, min: 1, max: 4_096 }),
  /** Connections that commit. One commits for more executions at a time, more use more cores of PostgreSQL. */
  lanes: integer({ env: 'BATUTA_EXECUTION_LANES', default: 1, min: 1, max: 64 }),
  /** Connections for everything but commits. */
  databaseConnections: integer({ env: 'BATUTA_EXECUTION_DATABASE_CONNECTIONS', default: 4, min: 2, max: 100 }),
  /** Microseconds for which the process stays awake after it has sent a commit of a few executions; 0: not at all. */
  busyPollUs: integer({ env: 'BATUTA_EXECUTION_BUSY_POLL_US', default: 0, min: 0, max: 10_000 }),
  leaseMs: milliseconds({ env: 'BATUTA_EXECUTION_LEASE', default: 10_000, min: 100 }),
  renewMs: milliseconds({ env: 'BATUTA_EXECUTION_RENEW', default: 3_000, min: 20 }),
  /** After this long without an answer a commit's outcome counts as unknown. */
  commitTimeoutMs: milliseconds({ env: 'BATUTA_EXECUTION_COMMIT_TIMEOUT', default: 10_000, min: 50 }),
  /** Whether tasks go straight to runners with free slots, past the work queue. */
  direct: oneOf(['on', 'off'], { env: 'BATUTA_EXECUTION_DIRECT', default: 'on' }),
  /** A task whose acknowledgement takes longer is published again. */
  publishTimeoutMs: milliseconds({ env: 'BATUTA_EXECUTION_PUBLISH_TIMEOUT', default: 2_000, min: 20 }),
  /** An engine that NATS has not answered for so long gives its partitions up. */
  cutOffMs: milliseconds({ env: 'BATUTA_EXECUTION_CUT_OFF', default: 5_000, min: 500 }),
  /** Attempt deadlines wait this long after a takeover or a stall. */
  graceMs: milliseconds({ env: 'BATUTA_EXECUTION_GRACE', default: 5_000, min: 0 }),
  /** How often rows are asked for what is due. */
  wakeScanMs: milliseconds({ env: 'BATUTA_EXECUTION_WAKE_SCAN', default: 1_000, min: 20 }),
  /** How often the tasks' stream is looked at. */
  queueWatchMs: milliseconds({ env: 'BATUTA_EXECUTION_QUEUE_WATCH', default: 1_000, min: 20 }),
  auditMs: milliseconds({ env: 'BATUTA_EXECUTION_AUDIT', default: 2_000, min: 20 }),
  /** Dispatches younger than this are not looked up by the audit. */
  auditAgeMs: milliseconds({ env: 'BATUTA_EXECUTION_AUDIT_AGE', default: 10_000, min: 0 }),
  auditBatch: integer({ env: 'BATUTA_EXECUTION_AUDIT_BATCH', default: 200, min: 1, max: 10_000 }),
  /** Memory for executions; those not used lately are forgotten first. */
  cacheBytes: bytes({ env: 'BATUTA_EXECUTION_CACHE', default: 256 * 1024 * 1024, min: 1024 * 1024 }),
  /** How often step runs are projected. */
  projectionMs: milliseconds({ env: 'BATUTA_EXECUTION_PROJECTION', default: 1_000, min: 10 }),
  /** An execution's state is kept beside its log every so many events, to load it from. */
  snapshotEvents: integer({ env: 'BATUTA_EXECUTION_SNAPSHOT_EVENTS', default: 200, min: 5, max: 1_000_000 }),
  /** How long a release waits for acknowledgements of tasks. */
  drainMs: milliseconds({ env: 'BATUTA_EXECUTION_DRAIN', default: 2_000, min: 0 }),
  /** Ed25519 seeds that sign checkpoints, 32 bytes in base64, separated by commas: the first signs. Without one none are made. */
  sealKeys: secret({ env: 'BATUTA_EXECUTION_SEAL_KEYS', optional: true }),
  /** How often checkpoints are signed. */
  sealMs: milliseconds({ env: 'BATUTA_EXECUTION_SEAL', default: 60_000, min: 10 }),
  /** Ended executions of tenants without a retention policy for all of theirs are deleted after this long; without it, never. */
  retentionMs: milliseconds({
    env: 'BATUTA_EXECUTION_RETENTION',
    optional: true,
    min: 0,
    max: RETENTION_LIMITS.olderThanMs,
  }),
  /** How long retention rests after it has looked at everything. */
  retentionEveryMs: milliseconds({ env: 'BATUTA_EXECUTION_RETENTION_EVERY', default: 60_000, min: 50 }),
  /** Executions a second that retention policies delete at most, in each process. */
  retentionRate: integer({ env: 'BATUTA_EXECUTION_RETENTION_RATE', default: 50, min: 1, max: 10_000 }),
  sandboxThreads: integer({ env: 'BATUTA_EXECUTION_SANDBOX_THREADS', default: 2, min: 1, max: 64 }),
  /** Copies of the JetStream streams in a NATS cluster. */
  streamReplicas: integer({ env: 'BATUTA_STREAM_REPLICAS', default: 1, min: 1, max: 5 }),
  /** What tasks may take of JetStream's disk, on each server; 0: no limit but the server's own. What does not fit waits in the log. */
  stepsBytes: bytes({ env: 'BATUTA_EXECUTION_STEPS_BYTES', default: 0, min: 0 }),
  logLevel: oneOf(LOG_LEVELS, { env: 'BATUTA_LOG_LEVEL', default: 'info' }),
  /** Bearer token for PUT /log-level; without it only this machine may change the level. */
  opsToken: secret({ env: 'BATUTA_OPS_TOKEN', optional: true }),
} as const;

export type ExecutionSettings = SettingsOf<typeof schema>;

function contradictions(settings: ExecutionSettings): SettingsProblem[] {
  const problems: SettingsProblem[] = [];
  if (settings.renewMs * 2 > settings.leaseMs) {
    problems.push({
      variables: ['BATUTA_EXECUTION_RENEW', 'BATUTA_EXECUTION_LEASE'],
      expected: 'must let a lease be renewed twice before it ends: renew at most half of the lease',
    });
  }
  if (settings.sealKeys !== undefined && sealKeysOf(settings.sealKeys.reveal()) === undefined) {
    problems.push({
      variables: ['BATUTA_EXECUTION_SEAL_KEYS'],
      expected: 'must be 32 bytes in Base64, several separated by commas (openssl rand -base64 32)',
    });
  }
  return problems;
}

/** The execution service's settings from environment variables; throws a `SettingsError` that names each wrong variable. */
export function loadExecutionSettings(
  env: Readonly<Record<string, string | undefined>> = process.env,
): ExecutionSettings {
  return loadSettings(schema, env, contradictions);
}
