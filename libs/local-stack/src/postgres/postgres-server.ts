import { createHash, randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, readFile, readdir, readlink, realpath, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { POSTGRES_OWNER, POSTGRES_SERVICES, postgresRole, prepareRoles } from '@batuta/contracts';
import type { PostgresPasswords } from '@batuta/contracts';
import pg from 'pg';
import { LocalStackError } from '../errors.js';
import { readJson, writeJson } from '../json-file.js';
import { launchOn, runsOf } from '../local-server.js';
import type { LocalServer, LocalServerOptions } from '../local-server.js';
import { silentLogger, type StackLogger } from '../logger.js';
import { portOr } from '../port.js';
import type { StopSignals } from '../process-guard.js';
import { commandLine } from '../process-identity.js';
import { runCommand } from '../run-command.js';
import { ServerProcess, stopLeftover } from '../server-process.js';
import { postgresRuntime, reachableBy, SHARED_ROOT, type PostgresRuntime } from './runtime.js';

const USER = 'batuta';
const ORPHANS_END_MS = 10_000;

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

/** The passwords of the roles, one file each. They are created at the first start. */
async function keptPasswords(directory: string): Promise<PostgresPasswords> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const passwords = await Promise.all(
    [...POSTGRES_SERVICES, 'owner' as const].map(async (name) => {
      const file = path.join(directory, name);
      const kept = (await readFile(file, 'utf8').catch(() => '')).trim();
      const password = kept === '' ? randomBytes(24).toString('hex') : kept;
      if (kept === '') await writeFile(file, `${password}\n`, { mode: 0o600, flush: true });
      return [name, password] as const;
    }),
  );
  return Object.fromEntries(passwords) as unknown as PostgresPasswords;
}

/**
 * Creates the roles, and gives them the objects that an earlier version created as the administrator. Nobody else uses
 * this server, so its other databases are closed too.
 */
async function prepareDatabase({ port, password, database }: Login, passwords: PostgresPasswords): Promise<void> {
  const client = new pg.Client({ host: '127.0.0.1', port, user: USER, password, database });
  await client.connect();
  try {
    await client.query('BEGIN');
    for (const statement of prepareRoles(passwords)) await client.query(statement);
    await client.query('REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC');
    await client.query('COMMIT');
  } finally {
    await client.end();
  }
}

/** Only the variables that the server needs. A `PGDATA`, `PGPORT` or locale in the user's shell must not change it. */
function serverEnvironment(): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', LANG: 'C', TZ: 'UTC' };
}

/** Chooses a directory for the database files to which the server's user has access. */
async function placeData(home: string, runtime: PostgresRuntime, logger: StackLogger): Promise<string> {
  const inside = path.join(home, 'data');
  if (runtime.account === undefined) return await ownDirectory(inside, runtime);
  // Others may pass through these two directories. Their files have modes of their own.
  await chmod(home, 0o711);
  if (await reachableBy(home, runtime.account)) return await ownDirectory(inside, runtime);

  const hash = createHash('sha256').update(home).digest('hex').slice(0, 12);
  const outside = path.join(SHARED_ROOT, `data-${hash}`);
  const pointerFile = path.join(home, 'data-location.json');
  if ((await readJson<{ dataDir: string }>(pointerFile))?.dataDir !== outside) {
    // Nothing refers to this directory, so its content belonged to a directory of the same name that was removed since.
    await rm(outside, { recursive: true, force: true });
    await mkdir(SHARED_ROOT, { recursive: true, mode: 0o755 });
    await writeJson(pointerFile, { dataDir: outside });
  }
  logger.info(`PostgreSQL does not run as root and its own user cannot reach ${home}: its files are in ${outside}.`);
  return await ownDirectory(outside, runtime);
}

async function ownDirectory(directory: string, { account }: PostgresRuntime): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const found = await stat(directory);
  if (account !== undefined && found.uid !== account.uid) {
    if ((await readdir(directory)).length > 0) {
      throw new LocalStackError(
        `${directory} belongs to another user than the one PostgreSQL runs as here. ` +
          'Start as the user who started it before, or use another data directory.',
      );
    }
    await chown(directory, account.uid, account.gid);
  }
  return directory;
}

interface Cluster {
  readonly password: string;
  readonly fresh: boolean;
  /** Written when the cluster is complete and on disk. Without this file there is nothing to keep. */
  readonly markerFile: string;
}

async function openCluster(
  home: string,
  dataDir: string,
  runtime: PostgresRuntime,
  logger: StackLogger,
): Promise<Cluster> {
  const markerFile = path.join(home, 'initialized.json');
  const passwordFile = path.join(home, 'password');
  if ((await readJson(markerFile)) !== undefined && (await readdir(dataDir)).length > 0) {
    const major = (await readFile(path.join(dataDir, 'PG_VERSION'), 'utf8')).trim();
    if (major !== runtime.major) {
      throw new LocalStackError(
        `The database in ${dataDir} was made by PostgreSQL ${major}; this is ${runtime.major}. ` +
          `Move its data with PostgreSQL ${major}'s pg_dump, or remove the data directory to start with an empty database.`,
      );
    }
    return { password: (await readFile(passwordFile, 'utf8')).trim(), fresh: false, markerFile };
  }
  await rm(markerFile, { force: true });
  for (const entry of await readdir(dataDir)) await rm(path.join(dataDir, entry), { recursive: true, force: true });
  logger.info(`Making the database in ${dataDir}.`);
  const password = randomBytes(24).toString('hex');
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600, flush: true });
  await initialize(home, dataDir, password, runtime);
  return { password, fresh: true, markerFile };
}

async function initialize(home: string, dataDir: string, password: string, runtime: PostgresRuntime): Promise<void> {
  // initdb reads the password as the server's user, who cannot read this process's files.
  const handover = path.join(runtime.account === undefined ? home : path.dirname(dataDir), `initdb.${process.pid}`);
  try {
    await writeFile(handover, `${password}\n`, { mode: 0o600 });
    if (runtime.account !== undefined) await chown(handover, runtime.account.uid, runtime.account.gid);
    const { code, output } = await runCommand(
      runtime.initdb,
      [
        ['-D', dataDir],
        ['-U', USER],
        [`--pwfile=${handover}`, '--auth=scram-sha-256'],
        ['--encoding=UTF8', '--locale=C'],
        // The files are synced while the server starts: see syncToDisk.
        ['--no-sync', '--no-instructions'],
      ].flat(),
      { env: serverEnvironment(), account: runtime.account },
    );
    if (code !== 0) {
      // The output before the error only lists successful steps.
      const errors = output.split('\n').filter((line) => /error|fatal|could not|cannot|no space/i.test(line));
      const said = (errors.length === 0 ? output.split('\n') : errors).slice(-5).join('\n');
      throw new LocalStackError(`The database in ${dataDir} cannot be made. initdb says:\n${said}`);
    }
  } finally {
    await rm(handover, { force: true });
  }
}

/**
 * Writes the new cluster to disk for good. It runs during the server's start, and nobody gets the server before it is
 * done.
 */
async function syncToDisk(dataDir: string, runtime: PostgresRuntime): Promise<void> {
  const { code, output } = await runCommand(runtime.initdb, ['--sync-only', '-D', dataDir], {
    env: serverEnvironment(),
    account: runtime.account,
  });
  if (code !== 0) throw new LocalStackError(`The database in ${dataDir} cannot be written to disk:\n${output}`);
}

/**
 * PostgreSQL refuses to start when the process id in a crashed run's `postmaster.pid` belongs to any process of its
 * user. In containers, where ids start at 1 again, this happens easily. The file is removed when no process works on
 * these data.
 */
async function clearStalePidFile(dataDir: string): Promise<void> {
  const file = path.join(dataDir, 'postmaster.pid');
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return;
  const pid = Number(text.split('\n')[0]);
  if (Number.isInteger(pid) && commandLine(pid).includes(dataDir)) {
    throw new LocalStackError(`Another PostgreSQL (process ${pid}) works on ${dataDir}. Stop it first.`);
  }
  for (const limit = performance.now() + ORPHANS_END_MS; await isWorkedOn(dataDir); await delay(20)) {
    if (performance.now() > limit) {
      throw new LocalStackError(`Processes of a PostgreSQL that was killed still work on ${dataDir}. Stop them first.`);
    }
  }
  await rm(file, { force: true });
}

/**
 * A server's processes have its data directory as working directory. Those of a killed server may live on for a moment.
 */
async function isWorkedOn(dataDir: string): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    if ((await readlink(`/proc/${pid}/cwd`).catch(() => undefined)) === dataDir) return true;
  }
  return false;
}

interface Login {
  readonly port: number;
  readonly password: string;
  readonly database: string;
}

/** Whether the server has reported that it accepts connections: line 8 of its pid file (miscadmin.h of PostgreSQL). */
async function saysReady(dataDir: string): Promise<boolean> {
  const text = await readFile(path.join(dataDir, 'postmaster.pid'), 'utf8').catch(() => '');
  return text.split('\n')[7]?.trim() === 'ready';
}

async function answers({ port, password, database }: Login): Promise<boolean> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: USER,
    password,
    database,
    connectionTimeoutMillis: 5000,
    application_name: 'batuta-local-stack',
  });
  // When the starting server closes a connection, the error arrives twice: from connect() and here.
  client.on('error', () => {});
  try {
    await client.connect();
    return true;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // 57P03: the server is starting or recovering.
    if (code === 'ECONNREFUSED' || code === 'ECONNRESET' || code === '57P03' || /terminated|timeout/.test(message)) {
      return false;
    }
    throw new LocalStackError(`PostgreSQL on 127.0.0.1:${port} refuses us: ${message}`, { cause: error });
  } finally {
    await client.end();
  }
}

async function createDatabase({ port, password, database }: Login): Promise<void> {
  const client = new pg.Client({ host: '127.0.0.1', port, user: USER, password, database: 'postgres' });
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${client.escapeIdentifier(database)}`);
  } finally {
    await client.end();
  }
}
