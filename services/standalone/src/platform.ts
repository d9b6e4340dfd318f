import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { DEFAULT_TENANT } from '@batuta/contracts';
import { portOr, prepareDataDirectory, startLocalStack, whyNotFree } from '@batuta/local-stack';
import type { LocalStack } from '@batuta/local-stack';
import type { Logger } from '@batuta/observability';
import { Mistake } from '@batuta/program';
import { ChildGroup } from './child-group.js';
import { DEFAULT_LAYOUT, parseLayout } from './layout.js';
import { PORT_VARIABLES, SERVICES } from './services.js';
import type { ServiceName } from './services.js';

export interface PlatformOptions {
  /** Directory for everything the platform stores: databases, logs, keys. Made when it is missing. */
  readonly dataDir: string;
  readonly logger: Logger;
  /** Port of the gateway. 0: a free port. Default: 3000, or a free port when 3000 is taken. */
  readonly port?: number;
  readonly databaseUrl?: string;
  readonly natsUrl?: string;
  /** With `natsUrl`: a file of NATS credentials, `{service}` for a service's name. */
  readonly natsCredentials?: string;
  /** With `natsUrl`: a file with the certificates of authorities that may sign the server's certificate. */
  readonly natsTlsCa?: string;
  /** See `parseLayout`. */
  readonly layout?: string;
  /** File for the services' logs. Default: this process's own output. */
  readonly logFile?: string;
  readonly env?: NodeJS.ProcessEnv;
}

export interface Platform {
  readonly url: string;
  readonly apiKeyFile: string;
  /** The gateway's default port, when another program uses it and the gateway got a free one. */
  readonly takenPort: number | undefined;
  /** Address of each service's /health/ready. */
  readonly services: Readonly<Partial<Record<ServiceName, string>>>;
  readonly stack: LocalStack;
  /** Process ids by group, for monitoring. */
  readonly pids: () => Record<string, number | undefined>;
  stop(): Promise<void>;
}

const STOP_LIMIT_MS = 15_000;
const DEFAULT_PORT = 3000;

/**
 * Starts the servers and all services on one machine and writes `<dataDir>/run.json`. Throws LocalStackBusyError when a
 * platform runs there already. After a failure, everything that was started is stopped.
 */
export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const dataDir = resolve(options.dataDir);
  const layout = parseLayout(options.layout ?? DEFAULT_LAYOUT);
  const runFile = join(dataDir, 'run.json');
  const apiKeyFile = join(dataDir, 'admin.key');
  // Contains nothing of the platform itself. Its keys and logs are in other folders.
  const agentFiles = join(dataDir, 'files');
  const archive = join(dataDir, 'archive');
  const services: Partial<Record<ServiceName, string>> = {};
  let logFd: number | undefined;
  const groups: ChildGroup[] = [];
  let servers: LocalStack | undefined;
  const stop = async (): Promise<void> => {
    // Only our own file: without servers the data directory may belong to another platform.
    if (servers !== undefined) await rm(runFile, { force: true });
    const ends = await Promise.allSettled(groups.map((group) => group.stop()));
    await servers?.stop();
    if (logFd !== undefined) {
      closeSync(logFd);
      logFd = undefined;
    }
    for (const end of ends) {
      if (end.status === 'rejected') {
        throw end.reason;
      }
    }
  };
  try {
    await prepareDataDirectory(dataDir, options.databaseUrl);
    if (options.logFile !== undefined) {
      mkdirSync(dirname(options.logFile), { recursive: true });
      logFd = openSync(options.logFile, 'a');
    }
    mkdirSync(join(agentFiles, DEFAULT_TENANT), { recursive: true, mode: 0o700 });
    mkdirSync(archive, { recursive: true, mode: 0o700 });
    const inherited = options.env ?? process.env;
    const env: NodeJS.ProcessEnv = {
      BATUTA_RUNNER_LOG_DIRECTORIES: join(agentFiles, '{tenant}'),
      // Ports change with each start, but the owner's name must stay the same. One platform has one engine.
      BATUTA_EXECUTION_NAME: 'standalone',
      // The largest number of engines that can share the store. Each partition of a commit costs a row (ADR 0018).
      BATUTA_EXECUTION_DEFAULT_PARTITIONS: '16',
      // On a single core it would delay PostgreSQL's answers (ADR 0017).
      ...(availableParallelism() > 1 ? { BATUTA_EXECUTION_BUSY_POLL_US: '500' } : {}),
      BATUTA_ARCHIVE_URL: pathToFileURL(archive).href,
      BATUTA_NOTIFICATIONS_ENCRYPTION_KEYS: await keptKey(join(dataDir, 'notifications.key')),
      BATUTA_EXECUTION_SEAL_KEYS: await keptKey(join(dataDir, 'seal.key')),
      ...(inherited['BATUTA_SECRETS_KEYS_FILE'] === undefined
        ? { BATUTA_SECRETS_KEYS: await keptKey(join(dataDir, 'secrets.key')) }
        : {}),
      ...inherited,
      BATUTA_ADMIN_KEY_FILE: apiKeyFile,
    };
    for (const members of layout) {
      const group = new ChildGroup({
        services: members,
        env,
        logger: options.logger,
        ...(logFd === undefined ? {} : { logFd }),
        ...(options.logFile === undefined ? {} : { logFile: options.logFile }),
        stopLimitMs: STOP_LIMIT_MS,
        onReady: ({ urls }) => Object.assign(services, urls),
      });
      groups.push(group);
      group.load();
    }
    const stack = await startLocalStack({
      dataDir,
      ...(options.databaseUrl === undefined
        ? {}
        : { databaseUrl: options.databaseUrl, databasePasswordFile: inherited['DATABASE_PASSWORD_FILE'] }),
      ...(options.natsUrl === undefined ? {} : { natsUrl: options.natsUrl }),
      ...(options.natsCredentials === undefined ? {} : { natsCredentials: options.natsCredentials }),
      ...(options.natsTlsCa === undefined ? {} : { natsTlsCa: options.natsTlsCa }),
      pools: (inherited['BATUTA_RUNNER_POOLS'] ?? '').split(',').flatMap((pool) => pool.trim() || []),
      logger: options.logger,
    });
    servers = stack;
    const { ports, takenPort } = await portsFor(inherited, options.port);
    const found = {
      ...stack.databaseEnvironment,
      NATS_URL: stack.natsUrl,
      // Empty counts as absent: the variables of the shell are meant for another server.
      NATS_CREDS: stack.natsCredentials ?? '',
      BATUTA_NATS_TLS_CA: stack.natsTlsCa ?? '',
      // The services and nothing else on this machine, because NATS and PostgreSQL also listen on loopback.
      BATUTA_RUNNER_STATUS_ADDRESSES:
        inherited['BATUTA_RUNNER_STATUS_ADDRESSES'] ??
        Object.values(ports)
          .map((port) => `127.0.0.1:${port}`)
          .join(','),
      ...ports,
      ...(stack.nats?.keysFile === undefined ? {} : { BATUTA_NATS_KEYS: stack.nats.keysFile }),
    };
    await allOrFirstFailure(groups.map((group) => group.start(found)));
    const url = services.gateway;
    if (url === undefined) {
      throw new Error('the gateway did not say where it listens');
    }
    await readFile(apiKeyFile, 'utf8');
    await untilReady(url);
    await writeAtomically(runFile, {
      url,
      pid: process.pid,
      api_key_file: apiKeyFile,
      services,
      database_url: stack.databaseUrl,
      nats_url: stack.natsUrl,
      postgres_log: stack.postgres?.logFile ?? null,
      agent_files: agentFiles,
      started_at: new Date().toISOString(),
    });
    let ended: Promise<void> | undefined;
    return {
      url,
      apiKeyFile,
      takenPort,
      services,
      stack,
      pids: () => Object.fromEntries(layout.map((members, index) => [members.join(','), groups[index]?.pid])),
      stop: () => (ended ??= stop()),
    };
  } catch (error) {
    await stop().catch((stopError: unknown) =>
      options.logger.error({ err: stopError }, 'stopping after a failed start'),
    );
    throw error;
  }
}

/** The port of every service. It is chosen here, so that a service keeps its port after a crash. */
async function portsFor(
  env: NodeJS.ProcessEnv,
  gatewayPort: number | undefined,
): Promise<{ readonly ports: Record<string, string>; readonly takenPort: number | undefined }> {
  const ports: Record<string, string> = {};
  let takenPort: number | undefined;
  for (const [service, variable] of Object.entries(PORT_VARIABLES)) {
    const wanted = service === 'gateway' && gatewayPort !== undefined ? String(gatewayPort) : env[variable];
    const preferred = wanted === undefined && service === 'gateway' ? DEFAULT_PORT : undefined;
    if (wanted === undefined || wanted === '0' || wanted === '') {
      const port = await portOr(preferred);
      if (preferred !== undefined && port !== preferred) takenPort = preferred;
      ports[variable] = String(port);
      continue;
    }
    await checkPort(service, variable, wanted);
    ports[variable] = wanted;
  }
  return { ports, takenPort };
}

/** Throws a Mistake when a chosen port is not available. The service itself reports a value that is not a port. */
async function checkPort(service: string, variable: string, wanted: string): Promise<void> {
  const port = Number(wanted);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return;
  const choice = service === 'gateway' ? `--port or ${variable}` : variable;
  const reason = await whyNotFree(port);
  if (reason === undefined) return;
  throw new Mistake(
    reason === 'EACCES'
      ? `This user may not listen on port ${port}, which is chosen for the ${service} service. Choose one from 1024 on (${choice}).`
      : `Port ${port}, which is chosen for the ${service} service, is taken by another program. ` +
          `Stop that program, or choose another port (${choice}).`,
  );
}

/** Like Promise.all, but waits for every member, so that nothing is still starting when the failure is handled. */
async function allOrFirstFailure(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) {
    if (result.status === 'rejected') {
      throw result.reason;
    }
  }
}

/** The key in a file of this directory, 32 bytes in Base64. Made at the first start. */
async function keptKey(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const key = randomBytes(32).toString('base64');
  const temporary = `${file}.${process.pid}.tmp`;
  // Written to the disk before anything is encrypted with it.
  await writeFile(temporary, `${key}\n`, { mode: 0o600, flush: true });
  await rename(temporary, file);
  return key;
}

async function writeAtomically(file: string, content: unknown): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`;
  await writeFile(temporary, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  await rename(temporary, file);
}

const READY_LIMIT_MS = 60_000;

async function untilReady(url: string): Promise<void> {
  const giveUpAt = Date.now() + READY_LIMIT_MS;
  for (;;) {
    const response = await fetch(`${url}/health/ready`).catch(() => undefined);
    if (response?.status === 200) {
      return;
    }
    if (Date.now() > giveUpAt) {
      const body = (await response?.text()) ?? 'no answer';
      throw new Mistake(`The platform (${SERVICES.join(', ')}) is not ready after ${READY_LIMIT_MS / 1000} s: ${body}`);
    }
    await new Promise((tick) => setTimeout(tick, 20));
  }
}
