import 'reflect-metadata';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connectNats, endProcess, isConnected, onLost } from '@batuta/messaging';
import { collectProcessMetrics, createLogger, nestLogger, startOpsServer, startTracing } from '@batuta/observability';
import type { Logger, OpsServer } from '@batuta/observability';
import { closeAll, opening } from '@batuta/service';
import type { Opened } from '@batuta/service';
import { natsAccessOf } from '@batuta/settings';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { GatewayModule } from './app.module.js';
import { serveOpenApi } from './document/openapi.js';
import { executeHandler } from './executions/execute.controller.js';
import { createHttpAdapter } from './http-server.js';
import { ProblemFilter } from './http/problem.filter.js';
import { RequestTracing } from './http/request-tracing.js';
import { RouteTable } from './http/route-table.js';
import { gatewayMcp } from './mcp/gateway-mcp.js';
import { followKeys, openParts } from './open-parts.js';
import type { EdgeParts, Made } from './open-parts.js';
import { openSockets } from './open-sockets.js';
import type { SocketServer } from './realtime/socket-server.js';
import { loadGatewaySettings } from './settings.js';
import type { GatewaySettings } from './settings.js';

export interface StartGatewayOptions {
  /** Default: from the environment. */
  readonly settings?: GatewaySettings;
  readonly logger?: Logger;
  /** Called when a connection to NATS is lost for good; default: the process ends. */
  readonly onLost?: (error: Error) => void;
}

export interface Gateway {
  /** `http://host:port`, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /** Port for operators, when it has one. */
  readonly opsPort: number | undefined;
  /** Ends running requests within the shutdown limit, then everything else. */
  close(): Promise<void>;
}

/** The Nest application with every route of the API. It does not listen yet. */
async function createApp(
  { settings, logger, requestTracing }: Made,
  parts: EdgeParts,
  sockets: SocketServer,
): Promise<NestFastifyApplication> {
  const { authenticator, executions, audited } = parts;
  const routes = new RouteTable(sockets.patterns);
  const execute = executeHandler(executions);
  const adapter = createHttpAdapter(settings, authenticator, routes, logger, execute, audited, requestTracing);
  const app = await NestFactory.create<NestFastifyApplication>(GatewayModule.register(parts), adapter, {
    bodyParser: false,
    logger: nestLogger(logger),
    abortOnError: false,
  });
  app.useGlobalFilters(new ProblemFilter(logger, routes, settings.bodyLimit));
  serveOpenApi(app);
  return app;
}

/** The port for operators, if the settings name one. */
async function openOps({ settings, logger, nats }: Made, opened: Opened): Promise<OpsServer | undefined> {
  if (settings.opsPort === undefined) return undefined;
  const connected = (): void => {
    if (!isConnected(nats)) throw new Error('not connected');
  };
  const ops = await startOpsServer({
    port: settings.opsPort,
    host: settings.opsHost,
    checks: { nats: connected },
    logger,
    token: settings.opsToken?.reveal(),
  });
  opened.push(() => ops.close());
  return ops;
}

/** Ends running requests within the limit. */
async function stopServing(
  app: NestFastifyApplication,
  { executions, eventStreams }: EdgeParts,
  sockets: SocketServer,
  limitMs: number,
): Promise<void> {
  const server = app.getHttpServer() as Server;
  executions.stopWaiting();
  eventStreams.close();
  // Idle connections are closed at once. A connection with a later answer would be kept alive and delay the gateway
  // until the cut.
  server.keepAliveTimeout = 1;
  const cut = setTimeout(() => server.closeAllConnections(), limitMs);
  try {
    await Promise.all([sockets.close(limitMs), app.close()]);
  } finally {
    clearTimeout(cut);
  }
}

/** Starts the HTTP and WebSocket edge. Throws when the port is taken or NATS cannot be used. */
export async function startGateway(options: StartGatewayOptions = {}): Promise<Gateway> {
  const settings = options.settings ?? loadGatewaySettings();
  const logger = options.logger ?? createLogger({ service: 'gateway', level: settings.logLevel });
  collectProcessMetrics();
  return opening(async (opened) => {
    const tracing = await startTracing('gateway', logger);
    opened.push(() => tracing.shutdown());
    const nats = await connectNats({ ...natsAccessOf(settings, 'gateway'), name: 'gateway', logger });
    opened.push(() => nats.close());
    onLost(nats, options.onLost ?? endProcess(logger));
    const requestTracing = tracing.enabled ? new RequestTracing(tracing) : undefined;
    const made = { settings, logger, nats, requestTracing };
    const parts = openParts(made, opened);
    const sockets = openSockets(made, parts);
    followKeys(nats, parts.authenticator, () => {
      sockets.recheckKeys().catch((error: unknown) => logger.warn({ err: error }, 'checking the keys of open sockets'));
    });
    const app = await createApp(made, parts, sockets);
    const { hub, executions, limits } = parts;
    const mcp = gatewayMcp({ app, hub, executions, settings, logger, enter: (tenant) => limits.openSocket(tenant) });
    opened.push(() => mcp.close());
    const server = app.getHttpServer() as Server;
    sockets.attach(server);
    const ops = await openOps(made, opened);
    await app.listen(settings.port, settings.host);
    const { port } = server.address() as AddressInfo;
    logger.info({ host: settings.host, port, ops_port: ops?.port }, 'gateway listens');
    return {
      url: `http://${urlHostOf(settings.host)}:${port}`,
      port,
      opsPort: ops?.port,
      close: once(async () => {
        try {
          await stopServing(app, parts, sockets, settings.shutdownLimitMs);
        } finally {
          await closeAll(opened);
        }
      }),
    };
  });
}

/** A host as it stands in a URL. A gateway that listens at every address is reached at the local one. */
function urlHostOf(host: string): string {
  if (host.includes(':')) return `[${host}]`;
  return host === '0.0.0.0' ? '127.0.0.1' : host;
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => (done ??= work());
}
