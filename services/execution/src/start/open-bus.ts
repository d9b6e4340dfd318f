import { TenantTerms, connectNats, controlClientOver, onLost } from '@batuta/messaging';
import type { Logger } from '@batuta/observability';
import type { natsAccessOf } from '@batuta/settings';
import type { NatsConnection } from '@nats-io/transport-node';
import { newCounters } from '../partitions/ports/counters.js';
import type { EngineCounters } from '../partitions/ports/counters.js';
import { NatsBus } from '../partitions/bus/nats-bus.js';
import { Pauses } from '../pauses/pauses.js';
import type { ExecutionSettings } from '../settings.js';
import type { Database } from './open-database.js';
import type { Opened } from '@batuta/service';

/** How often a process looks what others have paused. */
const PAUSES_MS = 500;

export interface OpenedBus {
  readonly nats: NatsConnection;
  /** The connection for JetStream, which a blocked disk of the server may delay. */
  readonly jetStream: NatsConnection;
  /** The limits of tenants. */
  readonly terms: TenantTerms;
  readonly bus: NatsBus;
  readonly counters: EngineCounters;
  /** What is paused. It is known before the engine starts. */
  readonly pauses: Pauses;
}

/** Connects to NATS. `lost` is called when a connection is lost for good. */
export async function openBus(
  access: ReturnType<typeof natsAccessOf>,
  settings: ExecutionSettings,
  { lookUps }: Pick<Database, 'lookUps'>,
  logger: Logger,
  opened: Opened,
  lost: (error: Error) => void,
): Promise<OpenedBus> {
  const nats = await connectNats({ ...access, name: `execution ${settings.name}`, logger });
  opened.push(() => nats.close());
  onLost(nats, lost);
  const jetStream = await connectNats({ ...access, name: `execution ${settings.name} tasks`, logger });
  opened.push(() => jetStream.close());
  onLost(jetStream, lost);
  const counters = newCounters();
  // The bus and the terms need each other, because a change of terms affects waiting tasks.
  const dispatch: { bus?: NatsBus } = {};
  const terms = new TenantTerms({
    connection: nats,
    control: controlClientOver(nats),
    onChange: () => dispatch.bus?.direct.termsChanged(),
    onFailure: (error) => logger.debug({ err: error }, 'limits of tenants are not known yet'),
  });
  opened.push(() => terms.close());
  const pauses = new Pauses({
    pool: lookUps,
    log: logger,
    onChange: () => dispatch.bus?.direct.pausesChanged(),
    everyMs: PAUSES_MS,
  });
  opened.push(() => pauses.stop());
  const { held } = pauses;
  const bus = new NatsBus({
    connection: nats,
    jetStream,
    cutOffMs: settings.cutOffMs,
    logger,
    counters,
    publishTimeoutMs: settings.publishTimeoutMs,
    replicas: settings.streamReplicas,
    stepsBytes: settings.stepsBytes,
    direct: settings.direct === 'on',
    held: {
      pool: (pool, tenantId) => held.ofPool(pool, tenantId) !== undefined,
      agent: (agent, tenantId) => held.ofAgent(agent, tenantId) !== undefined,
    },
    terms: (tenantId) => {
      const { weight = 1, runningAttempts = 0 } = terms.of(tenantId) ?? {};
      return { weight, running: runningAttempts === 0 ? Infinity : runningAttempts };
    },
  });
  dispatch.bus = bus;
  opened.push(() => bus.close());
  await pauses.start();
  return { nats, jetStream, terms, bus, counters, pauses };
}
