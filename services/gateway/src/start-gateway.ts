import 'reflect-metadata';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { newId, subjects, operations } from '@batuta/contracts';
import type { AuthenticateReply, ConfigChanged } from '@batuta/contracts';
import {
  connectNats,
  controlClientOver,
  endProcess,
  isConnected,
  onLost,
  onReconnect,
  TenantTerms,
} from '@batuta/messaging';
import { collectProcessMetrics, createLogger, nestLogger, startOpsServer, startTracing } from '@batuta/observability';
import type { Logger, OpsServer } from '@batuta/observability';
import { Sandbox } from '@batuta/sandbox';
import { natsAccessOf } from '@batuta/settings';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { CONTROLLERS, GatewayModule } from './app.module.js';
import { AuditedRequests } from './audit/audited-requests.js';
import { AuditWriter } from './audit/audit-writer.js';
import { OperationNames } from './audit/operation-names.js';
import { Authenticator } from './auth/authenticator.js';
import { clientAddresses, WrongKeys } from './auth/wrong-keys.js';
import { Backend } from './backend/backend.js';
import { ConfigSchemas } from './executions/config-schemas.js';
import { ExecutionStarter } from './executions/execution-starter.js';
import { Executions } from './executions/executions.js';
import { TenantLimitGate } from './backend/tenant-limits.js';
import { executeHandler } from './executions/execute.controller.js';
import { createHttpAdapter } from './http-server.js';
import { serveOpenApi } from './document/openapi.js';
import { ProblemFilter } from './http/problem.filter.js';
import { RequestTracing } from './http/request-tracing.js';
import { RouteTable } from './http/route-table.js';
import { TraceLinks } from './executions/trace-links.js';
import { executeRoute } from './executions/execute-route.js';
import { ExecutionHub } from './executions/execution-hub.js';
import { InboxHub } from './notifications/inbox-hub.js';
import { monitorRoute } from './executions/monitor-route.js';
import { notificationsRoute } from './notifications/notifications-route.js';
import { EventStreams } from './streams/event-streams.js';
import { OutputHub } from './streams/output-hub.js';
import { streamRoute } from './streams/stream-route.js';
import { SocketServer } from './realtime/socket-server.js';
import { loadGatewaySettings } from './settings.js';
import type { GatewaySettings } from './settings.js';

/** A gateway that has not reported its sockets for three times this long counts as gone, in milliseconds. */
const TELL_SOCKETS_MS = 5_000;
/** Time to store waiting audit entries when the gateway stops, in milliseconds. */
const AUDIT_LIMIT_MS = 5_000;

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

/** Starts the HTTP and WebSocket edge. Throws when the port is taken or NATS cannot be used. */
export async function startGateway(options: StartGatewayOptions = {}): Promise<Gateway> {
  const settings = options.settings ?? loadGatewaySettings();
  const logger = options.logger ?? createLogger({ service: 'gateway', level: settings.logLevel });
  collectProcessMetrics();
  const nats = await connectNats({ ...natsAccessOf(settings, 'gateway'), name: 'gateway', logger });
  onLost(nats, options.onLost ?? endProcess(logger));
  const sandbox = new Sandbox({ threads: 1 });
  const audit: { writer?: AuditWriter } = {};
  let ops: OpsServer | undefined;
  let terms: TenantTerms | undefined;
  let telling: NodeJS.Timeout | undefined;
  const endTelling = (): void => {
    clearInterval(telling);
    terms?.close();
  };
  const tracing = await startTracing('gateway', logger);
  const requestTracing = tracing.enabled ? new RequestTracing(tracing) : undefined;
  try {
    const control = controlClientOver(nats);
    const backend = new Backend({ nats, control, logger, requestTracing, ...settings });
    // The gate and the terms need each other, because the use of a new limit must be reported at once.
    const gate: { limits?: TenantLimitGate } = {};
    terms = new TenantTerms({
      connection: nats,
      control,
      onChange: () => void gate.limits?.tellSockets(),
      onFailure: (error) => logger.debug({ err: error }, 'limits of tenants are not known yet'),
    });
    const { commandDeadlineMs } = settings;
    const limits = new TenantLimitGate({ backend, terms, gateway: newId(), commandDeadlineMs });
    gate.limits = limits;
    telling = setInterval(() => void limits.tellSockets(), TELL_SOCKETS_MS);
    telling.unref();
    const schemas = new ConfigSchemas(backend, sandbox);
    const starter = new ExecutionStarter(backend, schemas, limits);
    const hub = new ExecutionHub({ backend, logger, compareEveryMs: settings.compareEveryMs });
    const executions = new Executions(backend, starter, hub);
    const outputs = new OutputHub(nats, logger);
    const authenticator = new Authenticator({
      knownForMs: settings.keyCacheMs,
      unknownForMs: settings.unknownKeyCacheMs,
      wrongKeys: new WrongKeys({ perMinute: settings.wrongKeysPerMinute, trustedProxies: settings.trustedProxies }),
      ask: (keyHash) => backend.ask<AuthenticateReply>(operations.apiKeys.authenticate.subject, { keyHash }),
    });
    const writer = new AuditWriter({ backend, logger, capacity: settings.auditBuffer });
    audit.writer = writer;
    const audited = new AuditedRequests({
      writer,
      names: new OperationNames(CONTROLLERS),
      starts: settings.auditStarts,
      addressOf: clientAddresses(settings.trustedProxies),
    });
    const sockets = new SocketServer({
      authenticator,
      audited,
      logger,
      bufferBytes: settings.socketBufferBytes,
      maxSockets: settings.maxSockets,
      limits,
      origins: settings.corsOrigins,
      pingEveryMs: settings.pingEveryMs,
      routes: [
        monitorRoute(hub, executions),
        streamRoute({ backend, hub, outputs, executions }),
        executeRoute({
          hub,
          starter,
          executions,
          audited,
          logger,
          requestTracing,
          maxMessageBytes: settings.bodyLimit,
        }),
        notificationsRoute(new InboxHub({ backend, logger }), logger),
      ],
    });
    const eventStreams = new EventStreams({
      backend,
      hub,
      outputs,
      authenticator,
      limits,
      logger,
      bufferBytes: settings.socketBufferBytes,
      mostStreams: settings.maxSockets,
    });
    const recheck = (): void => {
      sockets.recheckKeys().catch((error: unknown) => logger.warn({ err: error }, 'checking the keys of open sockets'));
    };
    nats.subscribe(subjects.configChanged, {
      callback: (error, message) => {
        if (error !== null) return;
        const change = message.json<ConfigChanged>();
        authenticator.changed(change);
        if (change.kind === 'key') recheck();
      },
    });
    onReconnect(nats, () => {
      authenticator.forget();
      recheck();
    });
    const routes = new RouteTable(sockets.patterns);
    const adapter = createHttpAdapter(
      settings,
      authenticator,
      routes,
      logger,
      executeHandler(executions),
      audited,
      requestTracing,
    );
    const app = await NestFactory.create<NestFastifyApplication>(
      GatewayModule.register({
        backend,
        schemas,
        starter,
        hub,
        executions,
        limits,
        traceLinks: new TraceLinks(settings.jaegerUrl),
        eventStreams,
      }),
      adapter,
      { bodyParser: false, logger: nestLogger(logger), abortOnError: false },
    );
    app.useGlobalFilters(new ProblemFilter(logger, routes, settings.bodyLimit));
    serveOpenApi(app);
    const server = app.getHttpServer() as Server;
    sockets.attach(server);
    if (settings.opsPort !== undefined) {
      const connected = (): void => {
        if (!isConnected(nats)) throw new Error('not connected');
      };
      ops = await startOpsServer({
        port: settings.opsPort,
        host: settings.opsHost,
        checks: { nats: connected },
        logger,
        token: settings.opsToken?.reveal(),
      });
    }
    await app.listen(settings.port, settings.host);
    const { port } = server.address() as AddressInfo;
    logger.info({ host: settings.host, port, ops_port: ops?.port }, 'gateway listens');
    const host = settings.host.includes(':')
      ? `[${settings.host}]`
      : settings.host === '0.0.0.0'
        ? '127.0.0.1'
        : settings.host;
    return {
      url: `http://${host}:${port}`,
      port,
      opsPort: ops?.port,
      close: once(async () => {
        executions.stopWaiting();
        eventStreams.close();
        // Idle connections are closed at once. A connection with a later answer would be kept alive and delay the
        // gateway until the cut.
        server.keepAliveTimeout = 1;
        const cut = setTimeout(() => server.closeAllConnections(), settings.shutdownLimitMs);
        try {
          await Promise.all([sockets.close(settings.shutdownLimitMs), app.close()]);
        } finally {
          clearTimeout(cut);
          endTelling();
          await writer.close(AUDIT_LIMIT_MS);
          await ops?.close();
          outputs.close();
          await hub.close();
          await sandbox.close();
          await nats.close();
          await tracing.shutdown();
        }
      }),
    };
  } catch (error) {
    endTelling();
    await audit.writer?.close(0);
    await ops?.close();
    await tracing.shutdown();
    await sandbox.close();
    await nats.close();
    throw error;
  }
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => (done ??= work());
}
