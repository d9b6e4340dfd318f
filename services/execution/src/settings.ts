import { hostname } from 'node:os';
import { RETENTION_ACTIONS, RETENTION_LIMITS } from '@batuta/contracts';
import { sealKeysOf } from '@batuta/event-store';
import { LOG_LEVELS } from '@batuta/observability';
import { bytes, integer, loadSettings, milliseconds, oneOf, secret, text } from '@batuta/settings';
import type { SettingsOf, SettingsProblem } from '@batuta/settings';
import { ARCHIVE_SETTINGS, archiveProblems } from './archive/archive-settings.js';

const schema = {
  /** `postgres://user:password@host:5432/database`. Its schema `execution` is made when it is missing. */
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
  /** Port of /health and /metrics; 0 takes a free one. */
  httpPort: integer({ env: 'BATUTA_EXECUTION_HTTP_PORT', default: 0, min: 0, max: 65_535 }),
  httpHost: text({ env: 'BATUTA_EXECUTION_HTTP_HOST', default: '127.0.0.1' }),
  /** Name of this owner: the same after a restart, and different for processes that run at the same time. */
  name: text({
    env: 'BATUTA_EXECUTION_NAME',
    default: hostname(),
    pattern: /^[A-Za-z0-9._-]{1,100}$/,
    describe: 'a name of letters, digits, dots, dashes and underscores',
  }),
  /** The number for a new installation. An existing one keeps its number. */
  defaultPartitions: integer({ env: 'BATUTA_EXECUTION_DEFAULT_PARTITIONS', default: 64, min: 1, max: 4_096 }),
  /** Number of partitions. The very first start sets it, and later starts refuse any other number. */
  partitions: integer({ env: 'BATUTA_EXECUTION_PARTITIONS', optional: true, min: 1, max: 4_096 }),
  /** Connections for commits. With one, a commit has more executions. More connections use more cores of PostgreSQL. */
  lanes: integer({ env: 'BATUTA_EXECUTION_LANES', default: 1, min: 1, max: 64 }),
  /** Connections for everything but commits. */
  databaseConnections: integer({ env: 'BATUTA_EXECUTION_DATABASE_CONNECTIONS', default: 4, min: 2, max: 100 }),
  /** How long the process stays awake after sending a commit of a few executions, in microseconds. 0: not at all. */
  busyPollUs: integer({ env: 'BATUTA_EXECUTION_BUSY_POLL_US', default: 0, min: 0, max: 10_000 }),
  leaseMs: milliseconds({ env: 'BATUTA_EXECUTION_LEASE', default: 10_000, min: 100 }),
  renewMs: milliseconds({ env: 'BATUTA_EXECUTION_RENEW', default: 3_000, min: 20 }),
  /** After this time without an answer, a commit's outcome counts as unknown. */
  commitTimeoutMs: milliseconds({ env: 'BATUTA_EXECUTION_COMMIT_TIMEOUT', default: 10_000, min: 50 }),
  /** Whether tasks go straight to runners with free slots, without the work queue. */
  direct: oneOf(['on', 'off'], { env: 'BATUTA_EXECUTION_DIRECT', default: 'on' }),
  /** A task is published again when its acknowledgement takes longer. */
  publishTimeoutMs: milliseconds({ env: 'BATUTA_EXECUTION_PUBLISH_TIMEOUT', default: 2_000, min: 20 }),
  /** An engine gives up its partitions when NATS has not answered for this long. */
  cutOffMs: milliseconds({ env: 'BATUTA_EXECUTION_CUT_OFF', default: 5_000, min: 500 }),
  /** After a takeover or a stall, attempt deadlines wait this long. */
  graceMs: milliseconds({ env: 'BATUTA_EXECUTION_GRACE', default: 5_000, min: 0 }),
  /** How often rows are searched for due executions. */
  wakeScanMs: milliseconds({ env: 'BATUTA_EXECUTION_WAKE_SCAN', default: 1_000, min: 20 }),
  /** How often the stream of tasks is checked. */
  queueWatchMs: milliseconds({ env: 'BATUTA_EXECUTION_QUEUE_WATCH', default: 1_000, min: 20 }),
  auditMs: milliseconds({ env: 'BATUTA_EXECUTION_AUDIT', default: 2_000, min: 20 }),
  /** The audit does not check younger dispatches. */
  auditAgeMs: milliseconds({ env: 'BATUTA_EXECUTION_AUDIT_AGE', default: 10_000, min: 0 }),
  auditBatch: integer({ env: 'BATUTA_EXECUTION_AUDIT_BATCH', default: 200, min: 1, max: 10_000 }),
  /** Memory for executions. Those unused for longest are forgotten first. */
  cacheBytes: bytes({ env: 'BATUTA_EXECUTION_CACHE', default: 256 * 1024 * 1024, min: 1024 * 1024 }),
  /** How often step runs are projected. */
  projectionMs: milliseconds({ env: 'BATUTA_EXECUTION_PROJECTION', default: 1_000, min: 10 }),
  /** After every so many events, an execution's state is stored as a snapshot for loading. */
  snapshotEvents: integer({ env: 'BATUTA_EXECUTION_SNAPSHOT_EVENTS', default: 200, min: 5, max: 1_000_000 }),
  /** How long a release waits for acknowledgements of tasks. */
  drainMs: milliseconds({ env: 'BATUTA_EXECUTION_DRAIN', default: 2_000, min: 0 }),
  /**
   * Ed25519 seeds that sign checkpoints, 32 bytes in Base64, separated by commas: the first signs. Without one there
   * are no checkpoints.
   */
  sealKeys: secret({ env: 'BATUTA_EXECUTION_SEAL_KEYS', optional: true }),
  /** How often checkpoints are signed. */
  sealMs: milliseconds({ env: 'BATUTA_EXECUTION_SEAL', default: 60_000, min: 10 }),
  /**
   * Ended executions of tenants without a retention policy for all of their executions are deleted after this time.
   * Absent: never.
   */
  retentionMs: milliseconds({
    env: 'BATUTA_EXECUTION_RETENTION',
    optional: true,
    min: 0,
    max: RETENTION_LIMITS.olderThanMs,
  }),
  /** What is done with those. */
  retentionAction: oneOf(RETENTION_ACTIONS, { env: 'BATUTA_EXECUTION_RETENTION_ACTION', default: 'delete' }),
  ...ARCHIVE_SETTINGS,
  /** How long policies leave an execution alone that was restored from the archive. */
  restoredKeptMs: milliseconds({ env: 'BATUTA_EXECUTION_RESTORED_KEPT', default: 30 * 86_400_000, min: 0 }),
  /** How long retention pauses after a pass over all executions. */
  retentionEveryMs: milliseconds({ env: 'BATUTA_EXECUTION_RETENTION_EVERY', default: 60_000, min: 50 }),
  /** The maximum number of deletions by retention policies a second, in each process. */
  retentionRate: integer({ env: 'BATUTA_EXECUTION_RETENTION_RATE', default: 50, min: 1, max: 10_000 }),
  sandboxThreads: integer({ env: 'BATUTA_EXECUTION_SANDBOX_THREADS', default: 2, min: 1, max: 64 }),
  /** Copies of the JetStream streams in a NATS cluster. */
  streamReplicas: integer({ env: 'BATUTA_STREAM_REPLICAS', default: 1, min: 1, max: 5 }),
  /**
   * Disk space for tasks in JetStream, on each server. 0: only the server's own limit. Further tasks wait in the log.
   */
  stepsBytes: bytes({ env: 'BATUTA_EXECUTION_STEPS_BYTES', default: 0, min: 0 }),
  logLevel: oneOf(LOG_LEVELS, { env: 'BATUTA_LOG_LEVEL', default: 'info' }),
  /** Bearer token for PUT /log-level; without it only this machine may change the level. */
  opsToken: secret({ env: 'BATUTA_OPS_TOKEN', optional: true }),
} as const;

export type ExecutionSettings = SettingsOf<typeof schema>;

function contradictions(settings: ExecutionSettings): SettingsProblem[] {
  const problems: SettingsProblem[] = archiveProblems(settings);
  if (settings.retentionAction === 'archive' && settings.archiveUrl === undefined) {
    problems.push({
      variables: ['BATUTA_EXECUTION_RETENTION_ACTION', 'BATUTA_ARCHIVE_URL'],
      expected: 'must not be archive without an archive',
    });
  }
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

/**
 * The execution service's settings from environment variables. Throws a `SettingsError` that names each wrong variable.
 */
export function loadExecutionSettings(
  env: Readonly<Record<string, string | undefined>> = process.env,
): ExecutionSettings {
  return loadSettings(schema, env, contradictions);
}

/** Milliseconds that it needs at most between SIGTERM and its end. */
export const drainMsOf = ({ drainMs, commitTimeoutMs }: ExecutionSettings): number => drainMs + commitTimeoutMs;
