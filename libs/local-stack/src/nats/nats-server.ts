import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, realpath, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { DEFAULT_POOL } from '@batuta/contracts';
import { loadAccounts, writeServiceCredentials } from '@batuta/nats-accounts';
import type { NatsAccounts } from '@batuta/nats-accounts';
import { natsServers } from '@batuta/settings';
import { connect, credsAuthenticator } from '@nats-io/transport-node';
import { LocalStackError } from '../errors.js';
import { readJson, writeJson } from '../json-file.js';
import { launchOn, runsOf } from '../local-server.js';
import type { LocalServer, LocalServerOptions } from '../local-server.js';
import { silentLogger } from '../logger.js';
import { freePort, portOr } from '../port.js';
import type { StopSignals } from '../process-guard.js';
import { ServerProcess, stopLeftover } from '../server-process.js';
import { findNatsServer } from './find-nats-server.js';

const STOP_SIGNALS: StopSignals = [
  ['SIGTERM', 10_000],
  ['SIGKILL', 5000],
];
const MEBIBYTE = 1024 * 1024;
const MAX_CONTROL_LINE = 32 * 1024;
const MAX_PAYLOAD = 8 * MEBIBYTE;

export interface NatsOptions extends LocalServerOptions {
  /** The directory of JetStream's files. Default: `<home>/store`. They are removed too when the server is ephemeral. */
  readonly storeDir?: string | undefined;
  /** Settings of nats-server's configuration that replace those chosen here. */
  readonly config?: Readonly<Record<string, unknown>> | undefined;
  /**
   * Creates a user for each service, with only the rights that it needs, instead of one user with all rights. `pools`:
   * those that the step-runner serves. Default: one user, in `url`.
   */
  readonly users?: { readonly pools: readonly string[] } | undefined;
}

/**
 * A nats-server of this process on 127.0.0.1, with JetStream on disk. `natsServers(url)` returns the client's options.
 */
export interface NatsServer extends LocalServer {
  readonly monitorPort: number;
  readonly storeDir: string;
  /** With `users`: creates users. */
  readonly accounts: NatsAccounts | undefined;
  /** With `users`: the file with the keys that create users. */
  readonly keysFile: string | undefined;
  /** With `users`: the file of each service's credentials. `{service}` stands for its name. */
  readonly credentials: string | undefined;
  /** Removes JetStream's files. Throws while the server runs. */
  deleteStore(): Promise<void>;
}

/**
 * Starts nats-server on the JetStream store of `home`. If it is not installed, apt installs it first where that is
 * possible.
 *
 * Stops a server that an earlier run of the same `home` left running. Throws a `LocalStackError` that says what to do,
 * with the end of the server's log.
 */
export async function startNats(options: NatsOptions): Promise<NatsServer> {
  const logger = options.logger ?? silentLogger;
  const timeoutMs = options.startTimeoutMs ?? 180_000;
  await mkdir(options.home, { recursive: true, mode: 0o700 });
  const home = await realpath(options.home);
  const storeDir = path.resolve(options.storeDir ?? path.join(home, 'store'));
  const logFile = options.logFile ?? path.join(home, 'nats.log');
  const recordFile = path.join(home, 'server.json');
  const configFile = path.join(home, 'nats.conf');
  const [program, record, access] = await Promise.all([
    findNatsServer(logger),
    stopLeftover('nats-server', recordFile, STOP_SIGNALS, logger),
    options.users === undefined ? oneUser(home) : ownUsers(home, options.users.pools),
  ]);
  if (access.accounts !== undefined) await adoptStore(storeDir, access.accounts.keys.account);

  const launch = async (port: number, monitorPort: number): Promise<ServerProcess> => {
    // JSON is valid in nats-server's own format. `sync_interval` keeps its default, because only PostgreSQL holds the
    // truth.
    await writeJson(configFile, {
      server_name: 'batuta-local',
      max_payload: MAX_PAYLOAD,
      // A user's JWT lists each subject that the user may use, and is sent as one line. The server's default limit of a
      // line is 4 KiB.
      max_control_line: MAX_CONTROL_LINE,
      max_pending: 64 * MEBIBYTE,
      ping_interval: '20s',
      ping_max: 3,
      ...options.config,
      listen: `127.0.0.1:${port}`,
      http: `127.0.0.1:${monitorPort}`,
      ...access.config,
      jetstream: {
        max_memory_store: 256 * MEBIBYTE,
        ...(options.config?.['jetstream'] as Record<string, unknown> | undefined),
        store_dir: storeDir,
      },
    });
    const server = await ServerProcess.start({
      name: 'nats-server',
      command: program.file,
      args: ['--config', configFile],
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', TZ: 'UTC' },
      account: undefined,
      logFile,
      recordFile,
      record: { port, monitorPort },
      stopSignals: STOP_SIGNALS,
      remove: options.ephemeral === true ? [home, storeDir] : [],
      logger,
    });
    try {
      await server.ready(() => answers(natsUrl(port), 0, access.check), timeoutMs);
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  };
  const natsUrl = (at: number) => `nats://${access.login}127.0.0.1:${at}`;

  const { first, ports } = await launchOn(
    { port: options.port ?? (await portOr(record.port)), monitorPort: await portOr(record.monitorPort) },
    async () => ({ port: options.port ?? (await freePort()), monitorPort: await freePort() }),
    ({ port, monitorPort }) => launch(port, monitorPort),
  );
  const { port, monitorPort } = ports;
  const runs = runsOf(first, () => launch(port, monitorPort));
  return Object.assign(runs, {
    url: natsUrl(port),
    port,
    monitorPort,
    storeDir,
    accounts: access.accounts,
    credentials: access.credentials,
    keysFile: access.accounts === undefined ? undefined : path.join(home, 'keys.json'),
    logFile,
    async deleteStore() {
      if (runs.running) throw new Error('Stop nats-server before its store is deleted.');
      await rm(storeDir, { recursive: true, force: true });
    },
  });
}

/** How the server knows its users, and how they log in. */
interface Access {
  readonly config: Readonly<Record<string, unknown>>;
  /** The part before the host in the server's URL. */
  readonly login: string;
  readonly accounts: NatsAccounts | undefined;
  readonly credentials: string | undefined;
  /** Credentials for the check whether the server answers. */
  readonly check: string | undefined;
}

async function oneUser(home: string): Promise<Access> {
  const { user, pass } = await passwordIn(path.join(home, 'credentials.json'));
  return {
    config: { authorization: { user, password: pass } },
    login: `${user}:${pass}@`,
    accounts: undefined,
    credentials: undefined,
    check: undefined,
  };
}

async function ownUsers(home: string, pools: readonly string[]): Promise<Access> {
  const accounts = await loadAccounts(home);
  const credentials = path.join(home, 'creds', '{service}.creds');
  await writeServiceCredentials(accounts, credentials, pools.length === 0 ? [DEFAULT_POOL] : pools);
  // The credentials of an earlier version, which let everybody in.
  await rm(path.join(home, 'credentials.json'), { force: true });
  return {
    config: {
      ...accounts.serverConfig(),
      resolver: { type: 'full', dir: path.join(home, 'accounts'), allow_delete: false, interval: '2m' },
    },
    login: '',
    accounts,
    credentials,
    check: credentials.replace('{service}', 'config'),
  };
}

/**
 * Moves the store of an earlier version, which had no account, into the account, so that an upgrade loses no waiting
 * tasks.
 */
async function adoptStore(storeDir: string, account: string): Promise<void> {
  const streams = path.join(storeDir, 'jetstream');
  const [before, now] = [path.join(streams, '$G'), path.join(streams, account)];
  if (existsSync(before) && !existsSync(now)) await rename(before, now);
}

async function passwordIn(file: string): Promise<{ user: string; pass: string }> {
  const { user, pass } = (await readJson<{ user: string; pass: string }>(file)) ?? {};
  if (user !== undefined && pass !== undefined) return { user, pass };
  // Begins with a letter, because nats-server reads an unquoted sequence of digits as a number.
  const made = { user: 'batuta', pass: `b${randomBytes(24).toString('hex')}` };
  await writeJson(file, made);
  return made;
}

/**
 * Whether a NATS server answers and has JetStream. Throws when it answers but refuses the client or has no JetStream.
 */
async function answers(url: string, neededPayload = 0, credentials?: string, tlsCa?: string): Promise<boolean> {
  try {
    const connection = await connect({
      ...natsServers(url),
      ...(credentials === undefined ? {} : { authenticator: credsAuthenticator(() => readFileSync(credentials)) }),
      ...(tlsCa === undefined ? {} : { tls: { caFile: tlsCa } }),
      reconnect: false,
      timeout: 5000,
    });
    const jetstream = connection.info?.jetstream === true;
    const maxPayload = connection.info?.max_payload ?? 0;
    await connection.close();
    if (!jetstream) {
      throw new LocalStackError(
        'The NATS server has JetStream switched off. Start it with --jetstream, or unset NATS_URL.',
      );
    }
    if (maxPayload < neededPayload) {
      throw new LocalStackError(
        `The NATS server allows messages of ${maxPayload} bytes, and Batuta needs ${neededPayload}. ` +
          'Set "max_payload: 8MB" in its configuration file, or unset NATS_URL.',
      );
    }
    return true;
  } catch (error) {
    if (error instanceof LocalStackError) throw error;
    const { name, message } = error as Error;
    // "Authentication Timeout" is a server's answer to a client that a busy machine kept from sending in time.
    if ((name === 'AuthorizationError' && !/timeout/i.test(message)) || /authorization/i.test(message)) {
      throw new LocalStackError(`The NATS server refuses us: ${message}`, { cause: error });
    }
    // Waiting does not help against this error.
    if (/certificate|altnames|'tls'/i.test(message)) {
      throw new LocalStackError(
        `The NATS server is not trusted, or has no TLS (NATS_URL, BATUTA_NATS_TLS_CA): ${message}`,
        {
          cause: error,
        },
      );
    }
    return false;
  }
}

/**
 * Checks that the server of a NATS URL answers and has JetStream. `credentials`: a credentials file for the client.
 * `tlsCa`: a PEM file with the certificates of the trusted authorities. Throws a `LocalStackError`, whose message does
 * not contain the URL's credentials.
 */
export async function checkNats(url: string, credentials?: string, tlsCa?: string): Promise<void> {
  try {
    natsServers(url);
  } catch (error) {
    throw new LocalStackError(`NATS_URL is no URL of NATS servers. ${(error as Error).message}`);
  }
  if (!(await answers(url, MAX_PAYLOAD, credentials, tlsCa))) {
    const { servers } = natsServers(url);
    throw new LocalStackError(
      `No NATS server answers at ${servers.join(', ')} (NATS_URL). Start it, or unset NATS_URL.`,
    );
  }
}
