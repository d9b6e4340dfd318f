import { operations } from '@batuta/contracts';
import type { ResolveConfigRequest } from '@batuta/contracts';
import { natsMicroservice, serveRequests } from '@batuta/control';
import { connectNats, endProcess, isConnected, onLost } from '@batuta/messaging';
import { nestLogger } from '@batuta/observability';
import type { Logger, ReadinessCheck } from '@batuta/observability';
import { Sandbox } from '@batuta/sandbox';
import { closeAll, opening, openOpsServer } from '@batuta/service';
import { natsAccessOf } from '@batuta/settings';
import type { INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { ConfigModule } from './app.module.js';
import { PoolCredentials } from './credentials/pool-credentials.js';
import { workerUsers } from './credentials/worker-users.js';
import { Definitions } from './definitions/definitions.service.js';
import { Secrets } from './secrets/secrets.js';
import { defaultLimitsOf } from './settings.js';
import type { ConfigSettings } from './settings.js';
import { claimedPools, makeFirstKey, openDatabase } from './start/open-database.js';
import { renewSecrets, vaultOf } from './start/open-vault.js';
import { tellRevocations } from './start/tell-revocations.js';

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

/** Time for running requests to end after the service took its last one, in milliseconds. */
const GRACE_MS = 300;

/**
 * Starts the config service: brings its schema up to date, makes what an empty installation needs, and answers
 * requests. Throws when PostgreSQL or NATS cannot be reached; nothing stays open then.
 */
export function startConfig(options: StartConfigOptions): Promise<RunningConfig> {
  const { settings, logger, opsServer = true, deliverAdminKey } = options;
  const lost = options.onLost ?? endProcess(logger);
  return opening(async (opened) => {
    const rows = await openDatabase(settings, logger, opened);
    const vault = await vaultOf(settings);
    const pools = await claimedPools(rows, settings, logger);
    await makeFirstKey(rows, settings, logger, deliverAdminKey);
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
      { ...transport, logger: nestLogger(logger), abortOnError: false },
    );
    opened.push(() => app.close());
    await renewSecrets(app.get(Secrets), vault, logger);
    const { requests, end } = await serveRequests(app, { nats, logger, onLost: lost, straight: straightTo(app) });
    opened.push(end);
    tellRevocations(nats, app.get(PoolCredentials), logger, opened);
    const checks: Record<string, ReadinessCheck> = {
      postgres: async () => {
        await rows.everybody.query('SELECT 1');
      },
      nats: () => {
        if (!isConnected(nats)) throw new Error('not connected');
      },
      requests,
    };
    const ops = opsServer ? await openOpsServer(settings, { checks, logger }, opened) : undefined;
    logger.info({ port: ops?.port }, 'config service started');
    return { opsPort: ops?.port, checks, close: () => closeAll(opened) };
  });
}

/** Answers the request that every start of an execution sends, without the way through Nest. */
function straightTo(app: INestMicroservice): Record<string, (request: ResolveConfigRequest) => Promise<unknown>> {
  const { reads } = app.get(Definitions);
  return {
    [operations.configs.resolve.subject]: async (request) => reads.resolve(request.tenantId, request),
  };
}
