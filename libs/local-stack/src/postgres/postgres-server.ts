import { mkdir, realpath } from 'node:fs/promises';
import path from 'node:path';
import { POSTGRES_OWNER, postgresRole } from '@batuta/contracts';
import { writeJson } from '../json-file.js';
import { launchOn, runsOf } from '../local-server.js';
import type { LocalServer, LocalServerOptions } from '../local-server.js';
import { silentLogger } from '../logger.js';
import { portOr } from '../port.js';
import type { StopSignals } from '../process-guard.js';
import { ServerProcess, stopLeftover } from '../server-process.js';
import { openCluster, placeData, serverEnvironment, syncToDisk } from './cluster.js';
import { answers, createDatabase, keptPasswords, prepareDatabase, USER } from './database.js';
import { clearStalePidFile, saysReady } from './pid-file.js';
import { postgresRuntime } from './runtime.js';

// First the "fast" shutdown (rolls back, writes a checkpoint), then the "immediate" one (recovers at the next start):
// postgres(1).
const STOP_SIGNALS: StopSignals = [
  ['SIGINT', 30_000],
  ['SIGQUIT', 5000],
  ['SIGKILL', 5000],
];

/** Logs the events that the platform's own log analysis reads: connections, checkpoints, slow statements, waits. */
const LOG_SETTINGS: Readonly<Record<string, string>> = {
  logging_collector: 'off',
  log_destination: 'stderr',
  log_line_prefix: '%m [%p] %q%u@%d ',
  log_timezone: 'UTC',
  log_connections: 'authorization',
  log_disconnections: 'on',
  log_checkpoints: 'on',
  log_lock_waits: 'on',
  log_min_duration_statement: '250ms',
  log_autovacuum_min_duration: '1s',
  log_temp_files: '10MB',
  // Parameters and error details contain users' data, which do not belong into a log.
  log_parameter_max_length: '0',
  log_parameter_max_length_on_error: '0',
  log_error_verbosity: 'terse',
};

export interface PostgresOptions extends LocalServerOptions {
  /** Created with the cluster. Default: "batuta". */
  readonly database?: string | undefined;
  /** Server settings by name. They replace the defaults chosen here. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
}

/** A PostgreSQL server of this process on 127.0.0.1. Its `url` has the administrator's login. */
export interface PostgresServer extends LocalServer {
  /** The environment variables with which each service works under its own role and updates its schema. */
  readonly environment: Readonly<Record<'DATABASE_URL' | 'DATABASE_PASSWORD_FILE' | 'DATABASE_OWNER_URL', string>>;
  /** The directory of the database files. It is outside of `home` when the server's user cannot access `home`. */
  readonly dataDir: string;
}

/**
 * Starts PostgreSQL on the data of `home`, and creates them first when there are none (UTF-8, C locale, SCRAM passwords
 * on loopback).
 *
 * When this process is root, PostgreSQL runs as the user `postgres`. Stops a server that an earlier run of the same
 * `home` left running. Throws a `LocalStackError` that says what to do, with the end of the server's log.
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const logger = options.logger ?? silentLogger;
  const database = options.database ?? 'batuta';
  const timeoutMs = options.startTimeoutMs ?? 180_000;
  await mkdir(options.home, { recursive: true, mode: 0o700 });
  const home = await realpath(options.home);
  const logFile = options.logFile ?? path.join(home, 'postgres.log');
  const recordFile = path.join(home, 'server.json');
  const runtime = await postgresRuntime(home, logger);
  const record = await stopLeftover('PostgreSQL', recordFile, STOP_SIGNALS, logger);
  const dataDir = await placeData(home, runtime, logger);
  await clearStalePidFile(dataDir);
  const cluster = await openCluster(home, dataDir, runtime, logger);

  const remove = options.ephemeral === true ? [home, dataDir] : [];
  const launch = async (port: number): Promise<ServerProcess> => {
    const settings = {
      ...LOG_SETTINGS,
      timezone: 'UTC',
      max_connections: '200',
      ...options.settings,
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      port: String(port),
    };
    const server = await ServerProcess.start({
      name: 'PostgreSQL',
      command: runtime.postgres,
      args: ['-D', dataDir, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      env: serverEnvironment(),
      account: runtime.account,
      logFile,
      recordFile,
      record: { port },
      stopSignals: STOP_SIGNALS,
      remove,
      logger,
    });
    try {
      await server.ready(async () => {
        // An earlier attempt would appear as FATAL in the log, which people and the log analysis read.
        if (!(await saysReady(dataDir))) return false;
        return await answers({ port, password: cluster.password, database: 'postgres' });
      }, timeoutMs);
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  };

  const { first, ports: port } = await launchOn(
    options.port ?? (await portOr(record.port)),
    async () => options.port ?? (await portOr(undefined)),
    launch,
  );
  if (cluster.fresh) {
    try {
      await Promise.all([
        createDatabase({ port, password: cluster.password, database }),
        options.ephemeral === true ? undefined : syncToDisk(dataDir, runtime),
      ]);
      await writeJson(cluster.markerFile, { version: runtime.version });
    } catch (error) {
      await first.stop();
      throw error;
    }
  }
  const passwordDir = path.join(home, 'passwords');
  const passwords = await keptPasswords(passwordDir);
  try {
    await prepareDatabase({ port, password: cluster.password, database }, passwords);
  } catch (error) {
    await first.stop();
    throw error;
  }
  const runs = runsOf(first, async () => {
    await clearStalePidFile(dataDir);
    return await launch(port);
  });
  return Object.assign(runs, {
    url: `postgres://${USER}:${cluster.password}@127.0.0.1:${port}/${encodeURIComponent(database)}`,
    port,
    logFile,
    dataDir,
    environment: {
      DATABASE_URL: `postgres://${postgresRole('{service}')}@127.0.0.1:${port}/${encodeURIComponent(database)}`,
      DATABASE_PASSWORD_FILE: path.join(passwordDir, '{service}'),
      DATABASE_OWNER_URL: `postgres://${POSTGRES_OWNER}:${passwords.owner}@127.0.0.1:${port}/${encodeURIComponent(database)}`,
    },
  });
}
