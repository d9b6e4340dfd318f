import { newId, operations, subjects } from '@batuta/contracts';
import type { AuthenticateReply, ConfigChanged } from '@batuta/contracts';
import { controlClientOver, onReconnect, TenantTerms } from '@batuta/messaging';
import type { Logger } from '@batuta/observability';
import { Sandbox } from '@batuta/sandbox';
import type { Opened } from '@batuta/service';
import type { NatsConnection } from '@nats-io/transport-node';
import { CONTROLLERS } from './app.module.js';
import type { GatewayParts } from './app.module.js';
import { AuditedRequests } from './audit/audited-requests.js';
import { AuditWriter } from './audit/audit-writer.js';
import { OperationNames } from './audit/operation-names.js';
import { Authenticator } from './auth/authenticator.js';
import { clientAddresses, WrongKeys } from './auth/wrong-keys.js';
import { Backend } from './backend/backend.js';
import { TenantLimitGate } from './backend/tenant-limits.js';
import { ConfigSchemas } from './executions/config-schemas.js';
import { ExecutionHub } from './executions/execution-hub.js';
import { ExecutionStarter } from './executions/execution-starter.js';
import { Executions } from './executions/executions.js';
import { TraceLinks } from './executions/trace-links.js';
import type { RequestTracing } from './http/request-tracing.js';
import type { GatewaySettings } from './settings.js';
import { EventStreams } from './streams/event-streams.js';
import { OutputHub } from './streams/output-hub.js';

/** A gateway that has not reported its sockets for three times this long counts as gone, in milliseconds. */
const TELL_SOCKETS_MS = 5_000;
/** Time to store waiting audit entries when the gateway stops, in milliseconds. */
const AUDIT_LIMIT_MS = 5_000;

/** What the gateway is made of. Everybody gets it from the start. */
export interface Made {
  readonly settings: GatewaySettings;
  readonly logger: Logger;
  readonly nats: NatsConnection;
  readonly requestTracing: RequestTracing | undefined;
}

/** The parts of the gateway: those that its handlers use, and those of the edge itself. */
export interface EdgeParts extends GatewayParts {
  readonly outputs: OutputHub;
  readonly authenticator: Authenticator;
  readonly audited: AuditedRequests;
}

/** The limits of tenants. It reports regularly how many sockets each of them has open here. */
function openLimits({ settings, logger, nats }: Made, backend: Backend, opened: Opened): TenantLimitGate {
  // The gate and the terms need each other, because the use of a new limit must be reported at once.
  const gate: { limits?: TenantLimitGate } = {};
  const terms = new TenantTerms({
    connection: nats,
    control: controlClientOver(nats),
    onChange: () => void gate.limits?.tellSockets(),
    onFailure: (error) => logger.debug({ err: error }, 'limits of tenants are not known yet'),
  });
  opened.push(() => terms.close());
  const { commandDeadlineMs } = settings;
  const limits = new TenantLimitGate({ backend, terms, gateway: newId(), commandDeadlineMs });
  gate.limits = limits;
  const telling = setInterval(() => void limits.tellSockets(), TELL_SOCKETS_MS);
  telling.unref();
  opened.push(() => clearInterval(telling));
  return limits;
}

/** What asks for the owners of keys, and what records their requests. */
function openIdentity(
  { settings, logger }: Made,
  backend: Backend,
  opened: Opened,
): Pick<EdgeParts, 'authenticator' | 'audited'> {
  const authenticator = new Authenticator({
    knownForMs: settings.keyCacheMs,
    unknownForMs: settings.unknownKeyCacheMs,
    wrongKeys: new WrongKeys({ perMinute: settings.wrongKeysPerMinute, trustedProxies: settings.trustedProxies }),
    ask: (keyHash) => backend.ask<AuthenticateReply>(operations.apiKeys.authenticate.subject, { keyHash }),
  });
  const writer = new AuditWriter({ backend, logger, capacity: settings.auditBuffer });
  opened.push(() => writer.close(AUDIT_LIMIT_MS));
  const audited = new AuditedRequests({
    writer,
    names: new OperationNames(CONTROLLERS),
    starts: settings.auditStarts,
    addressOf: clientAddresses(settings.trustedProxies),
  });
  return { authenticator, audited };
}

export function openParts(made: Made, opened: Opened): EdgeParts {
  const { settings, logger, nats, requestTracing } = made;
  const sandbox = new Sandbox({ threads: 1 });
  opened.push(() => sandbox.close());
  const backend = new Backend({ nats, control: controlClientOver(nats), logger, requestTracing, ...settings });
  const limits = openLimits(made, backend, opened);
  const schemas = new ConfigSchemas(backend, sandbox);
  const starter = new ExecutionStarter(backend, schemas, limits);
  const hub = new ExecutionHub({ backend, logger, compareEveryMs: settings.compareEveryMs });
  opened.push(() => hub.close());
  const executions = new Executions(backend, starter, hub);
  const outputs = new OutputHub(nats, logger);
  opened.push(() => outputs.close());
  const { authenticator, audited } = openIdentity(made, backend, opened);
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
  const traceLinks = new TraceLinks(settings.jaegerUrl);
  return {
    backend,
    schemas,
    starter,
    hub,
    executions,
    limits,
    traceLinks,
    eventStreams,
    outputs,
    authenticator,
    audited,
  };
}

/** Forgets keys when they change. `recheck` looks at those of open sockets. */
export function followKeys(nats: NatsConnection, authenticator: Authenticator, recheck: () => void): void {
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
}
