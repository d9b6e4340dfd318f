import { readFile, rm, writeFile } from 'node:fs/promises';
import { operations } from '@batuta/contracts';
import type { ResolveConfigRequest } from '@batuta/contracts';
import { natsMicroservice, serveRequests } from '@batuta/control';
import { connectNats, endProcess, isConnected, onLost, onReconnect } from '@batuta/messaging';
import { nestLogger, startOpsServer } from '@batuta/observability';
import type { Logger, ReadinessCheck } from '@batuta/observability';
import { Sandbox } from '@batuta/sandbox';
import { tellUnsecured } from '@batuta/service';
import { databaseUrlOf, natsAccessOf } from '@batuta/settings';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { PoolClaims } from './agents/pool-claims.js';
import { ConfigModule } from './app.module.js';
import { ConfigRows, configDataSource, migrate, migrateAsOwner, requestDriver } from './database/data-source.js';
import { PoolCredentials } from './credentials/pool-credentials.js';
import { workerUsers } from './credentials/worker-users.js';
import { Definitions } from './definitions/definitions.service.js';
import { defaultLimitsOf } from './settings.js';
import type { ConfigSettings } from './settings.js';
import { SecretVault } from './secrets/secret-vault.js';
import { Secrets } from './secrets/secrets.js';
import { bootstrap } from './tenants/bootstrap.js';

export interface StartConfigOptions {
  readonly settings: ConfigSettings;
  readonly logger: Logger;
  /** Whether to serve /health and /metrics on a port of its own; default true. */
  readonly opsServer?: boolean;
  /**
   * Stores the first admin key of an empty installation. Throws when it cannot. Default: `settings.adminKeyFile`. With
   * neither, no key is made.
   */
  readonly deliverAdminKey?: (secret: string) => Promise<void>;
  /** Called when a connection to NATS is lost for good; default: the process ends. */
  readonly onLost?: (error: Error) => void;
}

export interface RunningConfig {
  /** Port of /health and /metrics, if it serves them. */
  readonly opsPort: number | undefined;
  /** The readiness checks of the service, by name. */
  readonly checks: Readonly<Record<string, ReadinessCheck>>;
  /** Stops taking requests, finishes running ones, and closes every connection and thread. */
  close(): Promise<void>;
}

/** Writes a file that only its owner can read, and replaces an older one. */
function writeKeyFile(path: string): (secret: string) => Promise<void> {
  return async (secret) => {
    await rm(path, { force: true });
    await writeFile(path, `${secret}\n`, { mode: 0o600, flag: 'wx' });
  };
}

/** Throws when the file cannot be read or has other content. */
async function vaultOf({ secretsKeys, secretsKeysFile }: ConfigSettings): Promise<SecretVault> {
  if (secretsKeysFile === undefined) return SecretVault.of(secretsKeys?.reveal() ?? '');
  const keys = (await readFile(secretsKeysFile, 'utf8')).trim();
  if (keys === '') throw new RangeError(`the file of BATUTA_SECRETS_KEYS_FILE is empty: ${secretsKeysFile}`);
  return SecretVault.of(keys);
}

/** Encrypts secrets with the newest key. If the service cannot read some of them, it starts anyway and logs this. */
async function renewSecrets(secrets: Secrets, vault: SecretVault, logger: Logger): Promise<void> {
  if (!vault.enabled) logger.info('no secrets can be kept: BATUTA_SECRETS_KEYS is not set');
  const { renewed, unreadable } = await secrets.renew();
  if (renewed > 0) logger.info({ count: renewed }, 'secrets encrypted with the newest key');
  if (unreadable > 0) {
    logger.error(
      { count: unreadable },
      'secrets cannot be read with BATUTA_SECRETS_KEYS: steps that use them wait until the key is set or the secret is put again',
    );
  }
}

/** Time for running requests to end after the service took its last one, in milliseconds. */
const GRACE_MS = 300;

/**
 * Starts the config service: brings its schema up to date, makes what an empty installation needs, and answers
 * requests. Throws when PostgreSQL or NATS cannot be reached; nothing stays open then.
 */
export async function startConfig(options: StartConfigOptions): Promise<RunningConfig> {
  const { settings, logger, opsServer = true } = options;
  const lost = options.onLost ?? endProcess(logger);
  const opened: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (let end = opened.pop(); end !== undefined; end = opened.pop()) await end();
  };
  try {
    const dataSource = configDataSource({
      databaseUrl: databaseUrlOf(settings, 'config'),
      connections: settings.databaseConnections,
      driver: requestDriver,
    });
    const rows = new ConfigRows(dataSource);
    await dataSource.initialize();
    opened.push(async () => {
      if (dataSource.isInitialized) await dataSource.destroy();
    });
    if (settings.databaseOwnerUrl !== undefined) await migrateAsOwner(settings.databaseOwnerUrl);
    await migrate(rows.everybody);
    await tellUnsecured((sql) => rows.everybody.query(sql), 'config', logger);
    const vault = await vaultOf(settings);
    const pools = new PoolClaims(settings.sharedPools);
    for (const { pool, tenants } of await pools.keepPresentUse(rows.everybody)) {
      logger.warn(
        { pool, count: tenants.length, tenant_id: tenants.slice(0, 20).join(', ') },
        'several tenants have agents in one pool: each gets answers of the workers of the others',
      );
    }
    const { adminKeyFile } = settings;
    const deliver = options.deliverAdminKey ?? (adminKeyFile === undefined ? undefined : writeKeyFile(adminKeyFile));
    if (deliver === undefined) {
      logger.debug('no first admin key is made: BATUTA_ADMIN_KEY_FILE is not set');
    } else if ((await bootstrap(rows.everybody, deliver)) !== undefined) {
      logger.info({ file: adminKeyFile }, 'first admin key created');
    }
    const access = natsAccessOf(settings, 'config');
    const nats = await connectNats({ ...access, name: 'config', logger });
    opened.push(() => nats.close());
    onLost(nats, lost);
    const sandbox = new Sandbox({ threads: settings.sandboxThreads });
    opened.push(() => sandbox.close());
    const users = settings.natsKeysFile === undefined ? undefined : await workerUsers(settings.natsKeysFile, access);
    const transport = await natsMicroservice({ ...access, queue: 'config', graceMs: GRACE_MS });
    const app = await NestFactory.createMicroservice<MicroserviceOptions>(
      ConfigModule.register({
        rows,
        publisher: nats,
        sandbox,
        pools,
        workerUsers: users,
        vault,
        defaultLimits: defaultLimitsOf(settings),
        longestStepMs: settings.longestStepMs,
      }),
      {
        ...transport,
        logger: nestLogger(logger),
        abortOnError: false,
      },
    );
    opened.push(() => app.close());
    await renewSecrets(app.get(Secrets), vault, logger);
    const definitions = app.get(Definitions);
    const { requests, end } = await serveRequests(app, {
      nats,
      logger,
      onLost: lost,
      straight: {
        // Every start of an execution asks it.
        [operations.configs.resolve.subject]: async (request: ResolveConfigRequest) =>
          definitions.reads.resolve(request.tenantId, request),
      },
    });
    opened.push(() => Promise.resolve(end()));
    let told: Promise<void> = Promise.resolve();
    const tellRevocations = (): void => {
      told = told
        .then(() => app.get(PoolCredentials).tellAgain())
        .catch((error: unknown) =>
          logger.error({ err: error }, 'revoked credentials of workers cannot be told to NATS'),
        );
    };
    tellRevocations();
    // A server that has started again may have an older list, from its configuration.
    const forget = onReconnect(nats, tellRevocations);
    opened.push(async () => {
      forget();
      await told;
    });
    const checks: Record<string, ReadinessCheck> = {
      postgres: async () => {
        await rows.everybody.query('SELECT 1');
      },
      nats: () => {
        if (!isConnected(nats)) throw new Error('not connected');
      },
      requests,
    };
    const ops = opsServer
      ? await startOpsServer({
          port: settings.httpPort,
          host: settings.httpHost,
          checks,
          logger,
          token: settings.opsToken?.reveal(),
        })
      : undefined;
    if (ops !== undefined) opened.push(() => ops.close());
    logger.info({ port: ops?.port }, 'config service started');
    return { opsPort: ops?.port, checks, close };
  } catch (error) {
    await close();
    throw error;
  }
}
