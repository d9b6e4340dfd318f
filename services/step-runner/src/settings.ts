import { DEFAULT_POOL, TOKEN } from '@batuta/contracts';
import { LOG_LEVELS } from '@batuta/observability';
import {
  boolean,
  bytes,
  Secret,
  integer,
  list,
  loadSettings,
  milliseconds,
  oneOf,
  secret,
  text,
} from '@batuta/settings';
import type { SettingsOf } from '@batuta/settings';
import { hostname } from 'node:os';
import { LOG_DIRECTORY } from './logs/open-log-file.js';

const schema = {
  natsUrl: secret({ env: 'NATS_URL', default: new Secret('nats://127.0.0.1:4222') }),
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
  logLevel: oneOf(LOG_LEVELS, { env: 'BATUTA_LOG_LEVEL', default: 'info' }),
  /** Bearer token for PUT /log-level; without it only this machine may change the level. */
  opsToken: secret({ env: 'BATUTA_OPS_TOKEN', optional: true }),
  /** Health and metrics; 0 takes a free port. */
  httpPort: integer({ env: 'BATUTA_STEP_RUNNER_HTTP_PORT', default: 0, min: 0, max: 65_535 }),
  httpHost: text({ env: 'BATUTA_STEP_RUNNER_HTTP_HOST', default: '127.0.0.1' }),
  /** Names this runner in results; default: host and process id. */
  workerId: text({ env: 'BATUTA_RUNNER_ID', optional: true }),
  pools: list({ env: 'BATUTA_RUNNER_POOLS', default: [DEFAULT_POOL], pattern: TOKEN, describe: 'pool names' }),
  /** Attempts at once, for each pool. */
  slots: integer({ env: 'BATUTA_RUNNER_SLOTS', default: 256, min: 1, max: 10_000 }),
  /** Bytes of tasks that run at once in each pool. A larger task runs alone. */
  bytesAtOnce: bytes({ env: 'BATUTA_RUNNER_BYTES_AT_ONCE', default: 32 * 1024 * 1024, min: 1024, max: 64 * 1024 ** 3 }),
  /**
   * Copies of the tasks' stream in a NATS cluster. Use the same value as for the execution service, because both make
   * the stream when it is missing.
   */
  streamReplicas: integer({ env: 'BATUTA_STREAM_REPLICAS', default: 1, min: 1, max: 5 }),
  /** A task without a sign of life for this long is delivered to another runner. */
  ackWaitMs: milliseconds({ env: 'BATUTA_RUNNER_ACK_WAIT', default: 2_000, min: 50, max: 600_000 }),
  /** Interval between the signs of life of a task. */
  workingMs: milliseconds({ env: 'BATUTA_RUNNER_WORKING', default: 700, min: 10, max: 300_000 }),
  /** How often the engine is asked whether a long attempt is still wanted. */
  recheckMs: milliseconds({ env: 'BATUTA_RUNNER_RECHECK', default: 10_000, min: 20, max: 600_000 }),
  /** How long a stopping runner lets its attempts finish before it hands them back. */
  drainMs: milliseconds({ env: 'BATUTA_RUNNER_DRAIN', default: 10_000, min: 0, max: 3_600_000 }),
  /** How long an agent may take to stop after its signal, before its slot is given to another task. */
  graceMs: milliseconds({ env: 'BATUTA_RUNNER_GRACE', default: 1_000, min: 0, max: 60_000 }),
  /** Threads that render templates. */
  sandboxThreads: integer({ env: 'BATUTA_RUNNER_SANDBOX_THREADS', default: 2, min: 1, max: 64 }),
  maxAbandoned: integer({ env: 'BATUTA_RUNNER_MAX_ABANDONED', default: 64, min: 0, max: 10_000 }),
  /** Where `log_analyzer` may read, for each tenant. Tenants can read every file there, so keep other files out. */
  logDirectories: list({
    env: 'BATUTA_RUNNER_LOG_DIRECTORIES',
    default: [],
    pattern: LOG_DIRECTORY,
    describe: 'directories of one tenant each: "acme=/var/log/acme" or "/srv/logs/{tenant}"',
  }),
  /** Private addresses that `http` and `status_handler` may reach: `10.1.0.0/16`, `127.0.0.1`, `[::1]:8080`. */
  allowedAddresses: list({ env: 'BATUTA_RUNNER_ALLOWED_ADDRESSES', default: [] }),
  /** The same for `status_handler` alone: the platform's own addresses. */
  statusAddresses: list({ env: 'BATUTA_RUNNER_STATUS_ADDRESSES', default: [] }),
  /** Name servers for the hosts that agents call: `10.0.0.53`, `[::1]:5353`. Default: those of /etc/resolv.conf. */
  dnsServers: list({ env: 'BATUTA_DNS_SERVERS', default: [] }),
  /**
   * Whether spans of model calls contain prompts and answers. They may be personal data, and everybody with access to
   * the traces can read them.
   */
  tracesContent: boolean({ env: 'OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT', default: false }),
  /** A model that shows its answer as it comes, and of which nothing more has come for so long, has stalled. */
  modelIdleMs: milliseconds({ env: 'BATUTA_RUNNER_MODEL_IDLE', default: 60_000, min: 50, max: 3_600_000 }),
  /** Time limit for the lookup of one host name. */
  dnsTimeoutMs: milliseconds({ env: 'BATUTA_DNS_TIMEOUT', default: 5_000, min: 50, max: 60_000 }),
} as const;

export type StepRunnerSettings = SettingsOf<typeof schema>;

/** Settings of the step-runner from environment variables. Throws a `SettingsError` that names every wrong one. */
export function loadStepRunnerSettings(
  env: Readonly<Record<string, string | undefined>> = process.env,
): StepRunnerSettings {
  return loadSettings(schema, env, ({ ackWaitMs, workingMs }) =>
    workingMs * 2 <= ackWaitMs
      ? []
      : [
          {
            variables: ['BATUTA_RUNNER_WORKING', 'BATUTA_RUNNER_ACK_WAIT'],
            expected: 'must give two signs of life within the wait for one',
          },
        ],
  );
}

/** The name of this runner in results. */
export function workerIdOf(settings: StepRunnerSettings): string {
  return settings.workerId ?? `${hostname()}-${process.pid}`;
}

/** Milliseconds that it needs at most between SIGTERM and its end. */
export const drainMsOf = ({ drainMs, graceMs }: StepRunnerSettings): number => drainMs + graceMs;
