import { existsSync } from 'node:fs';
import { chmod, mkdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { databaseUrlOf, Secret } from '@batuta/settings';
import pg from 'pg';
import { lockDataDir } from './data-lock.js';
import { LocalStackError } from './errors.js';
import { checkFreeSpace } from './free-space.js';
import { readJson } from './json-file.js';
import { silentLogger, type StackLogger } from './logger.js';
import { checkNats, startNats, type NatsOptions, type NatsServer } from './nats/nats-server.js';
import { startPostgres, type PostgresOptions, type PostgresServer } from './postgres/postgres-server.js';

/** The space for a new database, the first logs, and the next segments of PostgreSQL's write-ahead log. */
const NEW_DATABASE_MIB = 128;
const RUN_MIB = 48;

interface LocalStackOptions {
  /** The directory for all files of the servers. It is created when missing. */
  readonly dataDir: string;
  /** An existing PostgreSQL to use instead of an embedded one. */
  readonly databaseUrl?: string | undefined;
  /** With `databaseUrl`: a file with its user's password. In both, `{service}` stands for a service's name. */
  readonly databasePasswordFile?: string | undefined;
  /** An existing NATS server to use instead of an own one. */
  readonly natsUrl?: string | undefined;
  /** With `natsUrl`: a file of NATS credentials. `{service}` stands for a service's name. */
  readonly natsCredentials?: string | undefined;
  /** With `natsUrl`: a PEM file with the certificates of the authorities that are trusted. */
  readonly natsTlsCa?: string | undefined;
  /** The pools that the step-runner serves. Default: `default`. */
  readonly pools?: readonly string[] | undefined;
  readonly logger?: StackLogger | undefined;
  readonly postgres?: Pick<PostgresOptions, 'port' | 'database' | 'settings' | 'startTimeoutMs'> | undefined;
  readonly nats?: Pick<NatsOptions, 'port' | 'config' | 'startTimeoutMs'> | undefined;
}

/** The servers that Batuta needs, started here or given. */
export interface LocalStack {
  readonly dataDir: string;
  /** With the administrator's login, when the database was started here. */
  readonly databaseUrl: string;
  /** The environment variables that services need to reach the database. */
  readonly databaseEnvironment: Readonly<Record<string, string>>;
  readonly natsUrl: string;
  /** The file of a service's NATS credentials. `{service}` stands for its name. Undefined when the URL is enough. */
  readonly natsCredentials: string | undefined;
  /**
   * The file with the certificates of the trusted authorities. Undefined for a server that was started here, which has
   * no TLS.
   */
  readonly natsTlsCa: string | undefined;
  /** Absent when `databaseUrl` was given. */
  readonly postgres?: PostgresServer;
  /** Absent when `natsUrl` was given. */
  readonly nats?: NatsServer;
  /** Stops the servers that were started here and releases the data directory. May be called again. */
  stop(): Promise<void>;
}

/**
 * Starts PostgreSQL and nats-server for one machine, or checks the given ones, and holds the data directory while they
 * run.
 *
 * The servers end with this process even when it is killed, but only `stop()` waits for their end; the caller must call
 * it on Ctrl-C. Throws `LocalStackBusyError` when another live process uses the directory, and `LocalStackError` when a
 * server cannot be started or reached. Nothing is left running then.
 */
export async function startLocalStack(options: LocalStackOptions): Promise<LocalStack> {
  const logger = options.logger ?? silentLogger;
  const dataDir = await prepareDataDirectory(options.dataDir, options.databaseUrl);
  const lock = await lockDataDir(dataDir);
  const logs = path.join(dataDir, 'logs');
  const natsUrl = (await isOfOwnNats(dataDir, options.natsUrl)) ? undefined : options.natsUrl;
  const [postgres, nats] = await Promise.allSettled([
    options.databaseUrl === undefined
      ? startPostgres({
          ...options.postgres,
          home: path.join(dataDir, 'postgres'),
          logFile: path.join(logs, 'postgres.log'),
          logger,
        })
      : checkPostgres(options.databaseUrl, options.databasePasswordFile),
    natsUrl === undefined
      ? startNats({
          ...options.nats,
          users: { pools: options.pools ?? [] },
          home: path.join(dataDir, 'nats'),
          logFile: path.join(logs, 'nats.log'),
          logger,
        })
      : checkNats(natsUrl, options.natsCredentials?.replaceAll('{service}', 'config'), options.natsTlsCa),
  ]);
  const started = [postgres, nats].flatMap((result) =>
    result.status === 'fulfilled' && result.value !== undefined ? [result.value] : [],
  );
  const end = async (): Promise<void> => {
    const ends = await Promise.allSettled(started.map((server) => server.stop()));
    await lock.release();
    const failed = ends.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  };
  for (const result of [postgres, nats]) {
    if (result.status === 'fulfilled') continue;
    await end().catch((error: Error) => logger.error(error.message));
    throw result.reason;
  }
  const ownPostgres = postgres.status === 'fulfilled' ? postgres.value : undefined;
  const ownNats = nats.status === 'fulfilled' ? nats.value : undefined;
  let ended: Promise<void> | undefined;
  return {
    dataDir,
    databaseUrl: ownPostgres?.url ?? options.databaseUrl ?? '',
    databaseEnvironment: ownPostgres?.environment ?? { DATABASE_URL: options.databaseUrl ?? '' },
    natsUrl: ownNats?.url ?? natsUrl ?? '',
    natsCredentials: ownNats === undefined ? options.natsCredentials : ownNats.credentials,
    natsTlsCa: ownNats === undefined ? options.natsTlsCa : undefined,
    ...(ownPostgres === undefined ? {} : { postgres: ownPostgres }),
    ...(ownNats === undefined ? {} : { nats: ownNats }),
    stop: () => (ended ??= end()),
  };
}

/**
 * Creates the data directory if it is missing, and returns its real path. Throws a `LocalStackError` when it has too
 * little space for a start. `databaseUrl`: the URL of a database that is elsewhere.
 */
export async function prepareDataDirectory(dataDir: string, databaseUrl?: string): Promise<string> {
  // When this process is root, PostgreSQL's own user passes through this directory. Private files in it have modes of
  // their own.
  const asRoot = process.getuid?.() === 0;
  await mkdir(dataDir, { recursive: true, mode: asRoot ? 0o711 : 0o700 });
  const directory = await realpath(dataDir);
  const { mode } = await stat(directory);
  if (asRoot && (mode & 0o001) === 0) await chmod(directory, (mode & 0o7777) | 0o011);
  const isNew = databaseUrl === undefined && !existsSync(path.join(directory, 'postgres', 'initialized.json'));
  await checkFreeSpace(directory, isNew ? NEW_DATABASE_MIB : RUN_MIB);
  return directory;
}

/**
 * Whether a URL belongs to the nats-server that an earlier run started on this data directory. `batuta env` prints that
 * URL, and a shell that still has it does not mean an external server.
 */
async function isOfOwnNats(dataDir: string, url: string | undefined): Promise<boolean> {
  if (url === undefined || !URL.canParse(url)) return false;
  const own = await readJson<{ port: number }>(path.join(dataDir, 'nats', 'server.json'));
  return own?.port !== undefined && new URL(url).host === `127.0.0.1:${own.port}`;
}

async function checkPostgres(given: string, databasePasswordFile: string | undefined): Promise<undefined> {
  const problem = (reason: string, cause?: unknown) =>
    new LocalStackError(`${reason} Start that PostgreSQL, correct DATABASE_URL, or unset it to use an embedded one.`, {
      cause,
    });
  const databaseUrl = databaseUrlOf({ databaseUrl: new Secret(given), databasePasswordFile }, 'config').reveal();
  if (!URL.canParse(databaseUrl) || !/^postgres(ql)?:$/.test(new URL(databaseUrl).protocol)) {
    throw problem('DATABASE_URL is no URL of PostgreSQL (postgres://user:password@host:5432/database).');
  }
  const { host, pathname } = new URL(databaseUrl);
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 5000 });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('SELECT 1');
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    throw problem(`PostgreSQL does not answer at ${host}${pathname} (DATABASE_URL): ${message || code}.`, error);
  } finally {
    await client.end();
  }
}
