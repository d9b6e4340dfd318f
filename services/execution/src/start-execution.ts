import { subjects } from '@batuta/contracts';
import { migrateEventStore } from '@batuta/event-store';
import type { PostgresExecutionStore } from './store/postgres/postgres-execution-store.js';
import { endProcess } from '@batuta/messaging';
import { startOpsServer, startTracing } from '@batuta/observability';
import type { Logger, ReadinessCheck } from '@batuta/observability';
import { databaseUrlOf, natsAccessOf } from '@batuta/settings';
import type { Engine } from './partitions/engine.js';
import type { EngineCounters } from './partitions/ports/counters.js';
import { exposePauses } from './pauses/pause-metrics.js';
import { demandRoute } from './queries/demand-route.js';
import type { Queues } from './queries/queues.js';
import type { RetentionJob } from './retention/retention-job.js';
import type { ExecutionSettings } from './settings.js';
import { exposeService } from './start/expose-service.js';
import { openBus } from './start/open-bus.js';
import { openDatabase } from './start/open-database.js';
import { openEngine } from './start/open-engine.js';
import { openRequests } from './start/open-requests.js';
import { openRetention } from './start/open-retention.js';
import { closeAll } from '@batuta/service';
import type { Opened } from '@batuta/service';
import { serviceChecks } from './start/service-checks.js';

export interface StartExecutionOptions {
  readonly settings: ExecutionSettings;
  readonly logger: Logger;
  /** Whether to serve /health and /metrics on a port of its own; default true. */
  readonly opsServer?: boolean;
  /** Called when another process has started under this one's name; default: the process ends. */
  readonly onSuperseded?: () => void;
  /** Called when a connection to NATS is lost for good; default: the process ends. */
  readonly onLost?: (error: Error) => void;
}

export interface RunningExecution {
  /** Port of /health and /metrics, if it serves them. */
  readonly opsPort: number | undefined;
  /** The readiness checks of the service, by name. */
  readonly checks: Readonly<Record<string, ReadinessCheck>>;
  /** The checks that only a restart of the process can repair, by name. */
  readonly liveness: Readonly<Record<string, ReadinessCheck>>;
  /** What the engine has done since the start. */
  readonly counters: Readonly<EngineCounters>;
  /** Partitions that this process owns now. */
  ownedPartitions(): readonly number[];
  /** Takes no more inputs, finishes the commit in flight, releases the partitions, closes every connection. */
  close(): Promise<void>;
}

/** The number of partitions of this log. Throws when the setting differs from the existing number. */
async function partitionsOf(
  store: PostgresExecutionStore,
  { partitions: asked, defaultPartitions }: Pick<ExecutionSettings, 'partitions' | 'defaultPartitions'>,
): Promise<number> {
  const partitions = await store.fixPartitionCount(asked ?? defaultPartitions);
  if (asked === undefined || asked === partitions) return partitions;
  const message =
    `BATUTA_EXECUTION_PARTITIONS is ${asked}, but this installation was made with ${partitions} partitions, and their number ` +
    `cannot be changed: each execution is kept under its partition. Set it to ${partitions}, or leave it out.`;
  throw Object.assign(new Error(message), { mistake: true });
}

/**
 * Starts the execution service: brings its schema up to date, takes its share of the partitions and answers commands,
 * results and queries. Throws when PostgreSQL or NATS cannot be reached; nothing stays open then.
 */
export async function startExecution(options: StartExecutionOptions): Promise<RunningExecution> {
  const { logger } = options;
  const opened: Opened = [];
  try {
    const started = await startParts(options, opened);
    const { engine, retention, checks, liveness } = started;
    const opsPort = await serveOps(options, started, opened);
    logger.info(
      { port: opsPort, partitions: engine.owned.length, of: engine.partitionCount },
      'execution service started',
    );
    return {
      opsPort,
      checks,
      liveness,
      counters: engine.counters,
      ownedPartitions: () => engine.owned.map((partition) => partition.id),
      // Partitions first, because other processes wait for them.
      close: async () => {
        try {
          await retention.stop();
          await engine.stop();
        } finally {
          await closeAll(opened);
        }
      },
    };
  } catch (error) {
    await closeAll(opened);
    throw error;
  }
}

interface StartedParts extends ReturnType<typeof serviceChecks> {
  readonly engine: Engine;
  readonly retention: RetentionJob;
  readonly queues: Queues;
}

/** Opens the parts in the order in which they need each other. What is opened is closed in the opposite order. */
async function startParts(options: StartExecutionOptions, opened: Opened): Promise<StartedParts> {
  const { settings, logger } = options;
  const lost = options.onLost ?? endProcess(logger);
  const superseded =
    options.onSuperseded ??
    ((): void => {
      logger.fatal({ name: settings.name }, 'another process has started under this name (BATUTA_EXECUTION_NAME)');
      process.exit(1);
    });
  const databaseUrl = databaseUrlOf(settings, 'execution').reveal();
  const access = natsAccessOf(settings, 'execution');
  const tracing = await startTracing('execution', logger);
  opened.push(() => tracing.shutdown());
  if (settings.databaseOwnerUrl !== undefined) await migrateEventStore(settings.databaseOwnerUrl.reveal());
  await migrateEventStore(databaseUrl);
  const database = await openDatabase(databaseUrl, settings, logger, opened);
  const bus = await openBus(access, settings, database, logger, opened, lost);
  const partitions = await partitionsOf(database.store, settings);
  const own = await openEngine({ settings, logger, tracing, database, bus, partitions, opened, superseded });
  const { engine, projection, traces } = own;
  opened.push(exposeService(database, bus, own));
  const kept = openRetention(settings, logger, database, own, opened);
  const { retention, sealer } = kept;
  opened.push(() => engine.stop());
  opened.push(() => retention.stop());
  bus.pauses.onAgent(async (tenantId, agent) => (await engine.effects.agents.pool(tenantId, agent)) !== undefined);
  opened.push(
    exposePauses({ pauses: bus.pauses, now: () => own.clock.now(), heldTasks: () => bus.bus.direct.heldByPool() }),
  );
  await engine.start();
  projection.start();
  traces?.start();
  retention.start();
  if (sealer === undefined) logger.info('no checkpoints are signed: BATUTA_EXECUTION_SEAL_KEYS is not set');
  else sealer.start();
  const changed = bus.nats.subscribe(subjects.configChanged, { callback: () => engine.effects.agents.forget() });
  opened.push(() => changed.unsubscribe());
  // Changes during a disconnection were announced only to others.
  opened.push(bus.bus.onReconnect(() => engine.effects.agents.forget()));
  const answers = { access, logger, database, bus, engine: own, retention: kept, opened, lost };
  const { queues, requests } = await openRequests(answers);
  return { engine, retention, queues, ...serviceChecks(database, bus, own, requests) };
}

/** Serves /health and /metrics. Returns the port, if they have one of their own. */
async function serveOps(
  { settings, logger, opsServer = true }: StartExecutionOptions,
  { checks, liveness, queues }: StartedParts,
  opened: Opened,
): Promise<number | undefined> {
  if (!opsServer) return undefined;
  const ops = await startOpsServer({
    port: settings.httpPort,
    host: settings.httpHost,
    checks,
    liveness,
    logger,
    token: settings.opsToken?.reveal(),
    routes: { '/demand': demandRoute(queues) },
  });
  opened.push(() => ops.close());
  return ops.port;
}
