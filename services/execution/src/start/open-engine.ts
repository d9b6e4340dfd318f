import { controlClientOver } from '@batuta/messaging';
import type { Logger, Tracing } from '@batuta/observability';
import { Sandbox } from '@batuta/sandbox';
import type { Restorer } from '../archive/restorer.js';
import { OutputIntake } from '../output/output-intake.js';
import { BusyPoll } from '../partitions/lane/busy-poll.js';
import type { Commit } from '../partitions/lane/batch.js';
import { CommitMeter } from '../partitions/lane/commit-meter.js';
import { configClient } from '../partitions/ports/config-client.js';
import { Engine } from '../partitions/engine.js';
import type { EngineSettings } from '../partitions/engine-options.js';
import { RefusedReports } from '../partitions/dispatch/refused-reports.js';
import { sandboxEvaluator } from '../partitions/effects/sandbox-evaluator.js';
import { StoreClock } from '../partitions/ownership/store-clock.js';
import type { EnginePorts } from '../partitions/ports/ports.js';
import { newIncarnation, systemClock, systemRandom } from '../partitions/ports/system-ports.js';
import { HmacTokens } from '../partitions/dispatch/task-tokens.js';
import { SnapshotWriter } from '../projections/snapshot-writer.js';
import { StepRunProjection } from '../projections/step-run-projection.js';
import type { ExecutionSettings } from '../settings.js';
import { Admissions } from '../tenants/admissions.js';
import { StreamStarts } from '../tenants/stream-starts.js';
import { recordCommit } from '../tracing/commit-spans.js';
import { TraceProjection } from '../tracing/trace-projection.js';
import type { OpenedBus } from './open-bus.js';
import type { Database } from './open-database.js';
import type { Opened } from '@batuta/service';

/**
 * Limited, so that the effects of one commit are performed while the next is in flight, even when thousands of inputs
 * wait.
 */
const COMMIT_EVENTS = 300;

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

interface OpenEngineParts {
  readonly settings: ExecutionSettings;
  readonly logger: Logger;
  readonly tracing: Tracing;
  readonly database: Database;
  readonly bus: OpenedBus;
  /** Number of partitions of the log. */
  readonly partitions: number;
  readonly opened: Opened;
  readonly superseded: () => void;
}

export interface OpenedEngine {
  readonly engine: Engine;
  readonly clock: StoreClock;
  readonly admissions: Admissions;
  /** Which attempts of steps there were. */
  readonly projection: StepRunProjection;
  /** Undefined when traces are not exported. */
  readonly traces: TraceProjection | undefined;
  /** Where the engine finds what restores executions from the archive. */
  readonly restoring: { restorer?: Restorer };
}

/** The engine with its ports, and the projections that follow its commits. Nothing is started yet. */
export async function openEngine(parts: OpenEngineParts): Promise<OpenedEngine> {
  const { settings, logger, tracing, database, partitions, opened, superseded } = parts;
  const { store } = database;
  const { bus, counters } = parts.bus;
  const clock = await openClock(database, logger);
  const snapshots = new SnapshotWriter({
    clock: systemClock,
    log: logger,
    snapshots: store,
    everyEvents: settings.snapshotEvents,
  });
  opened.push(() => snapshots.stop());
  const admissions = new Admissions(database.admitting, (tenantId) => bus.runningOf(tenantId));
  const outputs = new OutputIntake({ clock, log: logger, pool: database.output, bus });
  opened.push(() => outputs.stop());
  // The restorer reads configs as the engine does, and the engine and the projections need each other.
  const restoring: { restorer?: Restorer } = {};
  const readModels: Partial<ReadModels> = {};
  const engine = new Engine({
    ports: await enginePorts(parts, { clock, admissions, outputs, restoring }),
    settings: engineSettings(settings, partitions),
    incarnation: newIncarnation(),
    counters,
    busyPoll: settings.busyPollUs === 0 ? undefined : new BusyPoll(settings.busyPollUs / 1000),
    onSuperseded: superseded,
    onStoreTime: (now, agoMs) => clock.heard(now, agoMs),
    onCommit: observer(tracing),
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
  const { projection, traces } = Object.assign(readModels, openReadModels(parts, engine));
  return { engine, clock, admissions, projection, traces, restoring };
}

/** The store's clock: heard before the first decision, and then at each lease. */
async function openClock({ store }: Database, logger: Logger): Promise<StoreClock> {
  const clock = new StoreClock(logger);
  const asked = clock.elapsed();
  const time = await store.time();
  clock.heard(time, (clock.elapsed() - asked) / 2);
  return clock;
}

/** What measures commits, and traces them if traces are exported. */
function observer(tracing: Tracing): (commit: Commit) => void {
  const meter = new CommitMeter();
  if (!tracing.enabled) return (commit) => meter.record(commit);
  return (commit) => {
    meter.record(commit);
    recordCommit(tracing, commit);
  };
}

interface UsedByPorts {
  readonly clock: StoreClock;
  readonly admissions: Admissions;
  readonly outputs: OutputIntake;
  readonly restoring: { readonly restorer?: Restorer };
}

async function enginePorts(
  { settings, logger, database: { store }, bus: { nats, bus, terms }, partitions, opened }: OpenEngineParts,
  { clock, admissions, outputs, restoring }: UsedByPorts,
): Promise<EnginePorts> {
  const sandbox = new Sandbox({ threads: settings.sandboxThreads });
  opened.push(() => sandbox.close());
  const refused = new RefusedReports(controlClientOver(nats), logger);
  opened.push(() => refused.close());
  return {
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
  };
}

type ReadModels = Pick<OpenedEngine, 'projection' | 'traces'>;

function openReadModels({ settings, logger, tracing, database, opened }: OpenEngineParts, engine: Engine): ReadModels {
  const shared = {
    clock: systemClock,
    log: logger,
    pool: database.pool,
    reader: database.store,
    partitions: () => engine.owned,
    intervalMs: settings.projectionMs,
  };
  const traces = tracing.enabled ? new TraceProjection({ ...shared, configs: engine.configs, tracing }) : undefined;
  if (traces !== undefined) opened.push(() => traces.stop());
  const projection = new StepRunProjection({ ...shared, load: (id) => engine.load(id) });
  opened.push(() => projection.stop());
  return { projection, traces };
}
