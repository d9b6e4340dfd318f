import { newId, subjects } from '@batuta/contracts';
import { SealKeys, migrateEventStore, sealKeysOf } from '@batuta/event-store';
import { natsMicroservice, servePatternsLocally, tellDatabaseOutages, watchPatterns } from '@batuta/control';
import { connectNats, controlClientOver, endProcess, isConnected, onLost, TenantTerms } from '@batuta/messaging';
import { nestLogger, startOpsServer, startTracing } from '@batuta/observability';
import type { Logger, ReadinessCheck } from '@batuta/observability';
import { Sandbox } from '@batuta/sandbox';
import { tellUnsecured, tenantPool } from '@batuta/service';
import type { TenantPool } from '@batuta/service';
import { databaseUrlOf, natsAccessOf } from '@batuta/settings';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { PostgresExecutionStore } from './store/postgres/postgres-execution-store.js';
import { ExecutionModule } from './app.module.js';
import { openArchive } from './archive/archive-settings.js';
import { Archiver } from './archive/archiver.js';
import { Restorer } from './archive/restorer.js';
import { Integrity } from './integrity/integrity.js';
import { Sealer } from './integrity/sealer.js';
import { OutputIntake } from './output/output-intake.js';
import { BusyPoll } from './partitions/busy-poll.js';
import { configClient } from './partitions/config-client.js';
import type { EngineCounters } from './partitions/counters.js';
import { newCounters } from './partitions/counters.js';
import { CommitMeter } from './partitions/commit-meter.js';
import { DiskUseReader } from './partitions/disk-use.js';
import { exposeEngine, readBacklog } from './partitions/engine-metrics.js';
import { Engine } from './partitions/engine.js';
import type { EngineSettings } from './partitions/engine.js';
import { NatsBus } from './partitions/nats-bus.js';
import { sandboxEvaluator } from './partitions/sandbox-evaluator.js';
import { StoreClock } from './partitions/store-clock.js';
import { newIncarnation, systemClock, systemRandom } from './partitions/system-ports.js';
import { SnapshotWriter } from './projections/snapshot-writer.js';
import { platformDefault } from './retention/policy.js';
import { RetentionPolicies } from './retention/policies.js';
import { RetentionJob } from './retention/retention-job.js';
import { exposeRetention } from './retention/retention-metrics.js';
import { StepRunProjection } from './projections/step-run-projection.js';
import { RefusedReports } from './partitions/refused-reports.js';
import { HmacTokens } from './partitions/task-tokens.js';
import { demandRoute } from './queries/demand-route.js';
import { ExecutionQueries } from './queries/execution-queries.js';
import { Queues } from './queries/queues.js';
import { ScheduleQueries } from './queries/schedule-queries.js';
import { COUNT_APPROVALS } from './queries/sql.js';
import type { ExecutionSettings } from './settings.js';
import { Admissions } from './tenants/admissions.js';
import { StreamStarts } from './tenants/stream-starts.js';
import { recordCommit } from './tracing/commit-spans.js';
import { TraceProjection } from './tracing/trace-projection.js';

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

/**
 * Limited, so that the effects of one commit are performed while the next is in flight, even when thousands of inputs
 * wait.
 */
const COMMIT_EVENTS = 300;
/** As long as the gateway waits for an answer. */
const LIST_MS = 5_000;
/** A deletion without an answer by then is repeated in the next pass. */
const RETENTION_ANSWER_MS = 10_000;
/** Time limit for one value of a scrape. */
const SCRAPE_MS = 2_000;
/** A service that cannot dispatch tasks for this long is not ready. */
const UNDISPATCHED_MS = 10_000;

function engineSettings(settings: ExecutionSettings, partitions: number): EngineSettings {
  return {
    ownership: { name: settings.name, leaseMs: settings.leaseMs, renewMs: settings.renewMs },
    lanes: settings.lanes,
    partitions,
    limits: { commitEvents: COMMIT_EVENTS, commitBytes: 8 * 1024 * 1024, waitingInputs: 20_000 },
    waker: { scanMs: settings.wakeScanMs, scanLimit: 1_000 },
    queue: {
      watchMs: settings.queueWatchMs,
      auditMs: settings.auditMs,
      auditAgeMs: settings.auditAgeMs,
      auditBatch: settings.auditBatch,
    },
    graceMs: settings.graceMs,
    cacheBytes: settings.cacheBytes,
    pendingEffects: 50_000,
    drainMs: settings.drainMs,
  };
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
  const { settings, logger, opsServer = true } = options;
  const lost = options.onLost ?? endProcess(logger);
  const opened: (() => Promise<unknown> | void)[] = [];
  const close = async (): Promise<void> => {
    for (let end = opened.pop(); end !== undefined; end = opened.pop()) await end();
  };
  const superseded =
    options.onSuperseded ??
    ((): void => {
      logger.fatal({ name: settings.name }, 'another process has started under this name (BATUTA_EXECUTION_NAME)');
      process.exit(1);
    });
  try {
    const databaseUrl = databaseUrlOf(settings, 'execution').reveal();
    const access = natsAccessOf(settings, 'execution');
    const tracing = await startTracing('execution', logger);
    opened.push(() => tracing.shutdown());
    if (settings.databaseOwnerUrl !== undefined) await migrateEventStore(settings.databaseOwnerUrl.reveal());
    await migrateEventStore(databaseUrl);
    const store = new PostgresExecutionStore({
      databaseUrl,
      poolSize: settings.databaseConnections,
      commitTimeoutMs: settings.commitTimeoutMs,
      onConnectionError: (error) => logger.warn({ err: error }, 'a connection to PostgreSQL was lost'),
    });
    opened.push(() => store.close());
    const followed = <P extends pg.Pool>(opening: P): P => {
      opening.on('error', (error) => logger.warn({ err: error }, 'a connection to PostgreSQL was lost'));
      opened.push(() => opening.end());
      return opening;
    };
    const poolConfig = (use: string, more: pg.PoolConfig = {}): pg.PoolConfig => ({
      connectionString: databaseUrl,
      max: 2,
      application_name: `batuta-execution-${use}`,
      connectionTimeoutMillis: 5_000,
      query_timeout: 30_000,
      ...more,
    });
    // For requests of tenants: each sees only its tenant's rows.
    const openRequestPool = (use: string, more?: pg.PoolConfig): TenantPool =>
      followed(tenantPool(pg, 'execution', poolConfig(use, more)));
    // Separate pools, so that a slow list delays neither queries for one execution nor projections.
    const pool = followed(new pg.Pool(poolConfig('projections')));
    await tellUnsecured(async (sql) => (await pool.query<{ secured: boolean }>(sql)).rows, 'execution', logger);
    const lookUps = openRequestPool('queries', { max: 4 });
    // The gateway does not wait longer for a list, so PostgreSQL ends such a statement.
    const lists = openRequestPool('lists', { statement_timeout: LIST_MS, query_timeout: LIST_MS + 1_000 });
    // A separate pool, so that starts of tenants with limits do not wait for other queries.
    const admitting = openRequestPool('admissions');
    const nats = await connectNats({ ...access, name: `execution ${settings.name}`, logger });
    opened.push(() => nats.close());
    onLost(nats, lost);
    const jetStream = await connectNats({ ...access, name: `execution ${settings.name} tasks`, logger });
    opened.push(() => jetStream.close());
    onLost(jetStream, lost);
    const clock = new StoreClock(logger);
    const sandbox = new Sandbox({ threads: settings.sandboxThreads });
    opened.push(() => sandbox.close());
    const messages = newCounters();
    // The bus and the terms need each other, because a change of terms affects waiting tasks.
    const dispatch: { bus?: NatsBus } = {};
    const terms = new TenantTerms({
      connection: nats,
      control: controlClientOver(nats),
      onChange: () => dispatch.bus?.direct.termsChanged(),
      onFailure: (error) => logger.debug({ err: error }, 'limits of tenants are not known yet'),
    });
    opened.push(() => terms.close());
    const bus = new NatsBus({
      connection: nats,
      jetStream,
      cutOffMs: settings.cutOffMs,
      logger,
      counters: messages,
      publishTimeoutMs: settings.publishTimeoutMs,
      replicas: settings.streamReplicas,
      stepsBytes: settings.stepsBytes,
      direct: settings.direct === 'on',
      terms: (tenantId) => {
        const { weight = 1, runningAttempts = 0 } = terms.of(tenantId) ?? {};
        return { weight, running: runningAttempts === 0 ? Infinity : runningAttempts };
      },
    });
    dispatch.bus = bus;
    opened.push(() => bus.close());
    const partitions = await partitionsOf(store, settings);
    // The engine and the projection need each other.
    const readModels: { projection?: StepRunProjection; traces?: TraceProjection } = {};
    const snapshots = new SnapshotWriter({
      clock: systemClock,
      log: logger,
      snapshots: store,
      everyEvents: settings.snapshotEvents,
    });
    opened.push(() => snapshots.stop());
    const meter = new CommitMeter();
    // Before the first decision, and then at each lease.
    const asked = clock.elapsed();
    const time = await store.time();
    clock.heard(time, (clock.elapsed() - asked) / 2);
    const admissions = new Admissions(admitting, (tenantId) => bus.runningOf(tenantId));
    const refused = new RefusedReports(controlClientOver(nats), logger);
    opened.push(() => refused.close());
    const outputs = new OutputIntake({
      clock,
      log: logger,
      pool: followed(new pg.Pool(poolConfig('output'))),
      bus,
    });
    opened.push(() => outputs.stop());
    // The restorer reads configs as the engine does.
    const restoring: { restorer?: Restorer } = {};
    const engine = new Engine({
      ports: {
        clock,
        random: systemRandom,
        store,
        snapshots: store,
        bus,
        tokens: new HmacTokens(await store.taskKey(partitions)),
        reportRefused: (executionId, stepId, attempt) => refused.record(executionId, stepId, attempt),
        configs: configClient(controlClientOver(nats), store),
        evaluator: sandboxEvaluator(sandbox),
        starts: new StreamStarts({
          clock: systemClock,
          limitsOf: (tenantId) => {
            if (!terms.known) throw new Error('the limits of tenants are not known yet');
            return terms.of(tenantId);
          },
          admit: (request) => admissions.admit(request),
        }),
        outputs,
        restorer: {
          restore: async (state, tenantId) => restoring.restorer?.restore(state, tenantId),
        },
        log: logger,
      },
      settings: engineSettings(settings, partitions),
      incarnation: newIncarnation(),
      counters: messages,
      busyPoll: settings.busyPollUs === 0 ? undefined : new BusyPoll(settings.busyPollUs / 1000),
      onSuperseded: superseded,
      onStoreTime: (now, agoMs) => clock.heard(now, agoMs),
      onCommit: tracing.enabled
        ? (commit) => {
            meter.record(commit);
            recordCommit(tracing, commit);
          }
        : (commit) => meter.record(commit),
      ...(tracing.enabled ? { sampled: (traceId: string) => tracing.sampled(traceId) } : {}),
      onCommitted: (changes) => {
        outputs.committed(changes);
        readModels.projection?.committed(changes);
      },
      projected: (partition) => readModels.projection?.written(partition) ?? 0,
      onStreamCommitted: (changes) => snapshots.committed(changes),
      onOwned: (partition) => {
        readModels.projection?.owned(partition);
        readModels.traces?.owned(partition);
      },
    });
    const traces = tracing.enabled
      ? new TraceProjection({
          clock: systemClock,
          log: logger,
          pool,
          reader: store,
          configs: engine.configs,
          tracing,
          partitions: () => engine.owned,
          intervalMs: settings.projectionMs,
        })
      : undefined;
    if (traces !== undefined) {
      readModels.traces = traces;
      opened.push(() => traces.stop());
    }
    const projection = new StepRunProjection({
      clock: systemClock,
      log: logger,
      pool,
      reader: store,
      load: (id) => engine.load(id),
      partitions: () => engine.owned,
      intervalMs: settings.projectionMs,
    });
    readModels.projection = projection;
    opened.push(() => projection.stop());
    const disk = new DiskUseReader(
      pool,
      async (stream) => (await jetStream.request(`$JS.API.STREAM.INFO.${stream}`, '', { timeout: 1_000 })).json(),
      () => systemClock.elapsed(),
    );
    opened.push(
      exposeEngine({
        engine,
        skewMs: () => clock.skewMs,
        lags: () => ({ step_runs: projection.lag, ...(traces === undefined ? {} : { traces: traces.lag }) }),
        backlog: () =>
          readBacklog(async (subject, body) => (await jetStream.request(subject, body, { timeout: 1_000 })).json()),
        waitingTasks: () => bus.direct.waitingByPool(),
        storedTasks: () =>
          bus.streamIdentity().then(
            (stream) => stream?.messages,
            () => undefined,
          ),
        waitingApprovals: () =>
          Promise.race([
            pool.query<{ waiting: number }>(COUNT_APPROVALS).then(
              ({ rows }) => rows[0]?.waiting,
              // Readiness reports an outage. A scrape must neither fail because of it nor wait for it.
              () => undefined,
            ),
            delay(SCRAPE_MS, undefined, { ref: false }),
          ]),
        disk: () => disk.current(),
      }),
    );
    const sealKeys = new SealKeys(sealKeysOf(settings.sealKeys?.reveal() ?? '') ?? []);
    const sealer = new Sealer({
      clock: systemClock,
      log: logger,
      pool,
      keys: sealKeys,
      partitions: () => engine.owned,
      intervalMs: settings.sealMs,
    });
    opened.push(() => sealer.stop());
    const storeOf = (tenantId: string): PostgresExecutionStore =>
      new PostgresExecutionStore({ databaseUrl, queries: lookUps.seen({ tenantId }) });
    const archive = openArchive(settings);
    const integrity = new Integrity(
      (tenantId) => ({ store: storeOf(tenantId), queries: lookUps.seen({ tenantId }) }),
      { store, queries: pool },
      sealKeys,
      archive,
      (id, error) => logger.warn({ err: error, execution_id: id }, 'the archive does not return an execution'),
    );
    restoring.restorer = new Restorer({
      archive,
      store,
      configs: engine.configs,
      onFailure: (id, error) =>
        logger.warn({ err: error, execution_id: id }, 'an execution is not restored from the archive'),
    });
    const archiver =
      archive === undefined
        ? undefined
        : new Archiver({
            store: archive,
            lines: (request) => integrity.export(request),
            now: () => clock.now(),
            newId,
          });
    const policies = new RetentionPolicies(lookUps, archive !== undefined);
    const retention = new RetentionJob({
      clock,
      log: logger,
      pool,
      partitions: () => engine.owned,
      policies: () => policies.all(),
      platformDefault: platformDefault(settings.retentionMs, settings.retentionAction),
      archiver,
      command: (request) => engine.command(request, RETENTION_ANSWER_MS),
      newId,
      restoredKeptMs: settings.restoredKeptMs,
      everyMs: settings.retentionEveryMs,
      rate: settings.retentionRate,
    });
    opened.push(exposeRetention(retention));
    opened.push(() => engine.stop());
    opened.push(() => retention.stop());
    await engine.start();
    projection.start();
    traces?.start();
    retention.start();
    if (sealKeys.canSign) sealer.start();
    else logger.info('no checkpoints are signed: BATUTA_EXECUTION_SEAL_KEYS is not set');
    const changed = nats.subscribe(subjects.configChanged, { callback: () => engine.effects.agents.forget() });
    opened.push(() => changed.unsubscribe());
    // Changes during a disconnection were announced only to others.
    opened.push(bus.onReconnect(() => engine.effects.agents.forget()));
    const queues = new Queues({
      queue: bus,
      poolOf: (tenantId, agent) => engine.effects.agents.pool(tenantId, agent),
      now: () => clock.now(),
    });
    const queries = new ExecutionQueries(
      { reader: store, configs: engine.configs, snapshots: store },
      (tenantId) => {
        const seen = storeOf(tenantId);
        return { reader: seen, configs: engine.configs, snapshots: seen };
      },
      { lists, lookUps },
      engine.partitionCount,
      queues,
    );
    const app = await NestFactory.createMicroservice<MicroserviceOptions>(
      ExecutionModule.register({
        queries,
        integrity,
        retention: policies,
        schedules: new ScheduleQueries(storeOf, lookUps),
        admissions,
      }),
      {
        ...(await natsMicroservice({ ...access, queue: 'execution' })),
        logger: nestLogger(logger),
        abortOnError: false,
      },
    );
    opened.push(() => app.close());
    await tellDatabaseOutages(app, logger);
    await app.listen();
    const requests = await watchPatterns(app, { onLost: lost });
    const endLocal = await servePatternsLocally(nats, app);
    opened.push(() => Promise.resolve(endLocal()));
    const checks: Record<string, ReadinessCheck> = {
      postgres: () => store.ping(),
      nats: () => {
        if (!isConnected(nats)) throw new Error('not connected');
        const ms = bus.cutOffMs();
        if (ms !== undefined) throw new Error(`the server has not answered for ${Math.round(ms / 1_000)} s`);
      },
      requests,
      tasks: () => {
        const { tasks, oldestMs } = engine.effects.undispatched;
        if (oldestMs < UNDISPATCHED_MS) return;
        const reason = bus.refusal() ?? 'see the log';
        throw new Error(
          `${tasks} tasks cannot be dispatched, the oldest for ${Math.round(oldestMs / 1_000)} s: ${reason}`,
        );
      },
    };
    const liveness: Record<string, ReadinessCheck> = {
      nats: () => {
        const ms = engine.cutOffAloneMs;
        if (ms === undefined) return;
        throw new Error(`cut off from NATS for ${Math.round(ms / 1_000)} s, while other engines are not`);
      },
    };
    const ops = opsServer
      ? await startOpsServer({
          port: settings.httpPort,
          host: settings.httpHost,
          checks,
          liveness,
          logger,
          token: settings.opsToken?.reveal(),
          routes: { '/demand': demandRoute(queues) },
        })
      : undefined;
    if (ops !== undefined) opened.push(() => ops.close());
    logger.info(
      { port: ops?.port, partitions: engine.owned.length, of: engine.partitionCount },
      'execution service started',
    );
    return {
      opsPort: ops?.port,
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
          await close();
        }
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}
