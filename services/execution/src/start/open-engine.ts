import { controlClientOver } from '@batuta/messaging';
import type { Logger, Tracing } from '@batuta/observability';
import { Sandbox } from '@batuta/sandbox';
import type { Restorer } from '../archive/restorer.js';
import { OutputIntake } from '../output/output-intake.js';
import { BusyPoll } from '../partitions/lane/busy-poll.js';
import { CommitMeter } from '../partitions/lane/commit-meter.js';
import { configClient } from '../partitions/ports/config-client.js';
import { Engine } from '../partitions/engine.js';
import type { EngineSettings } from '../partitions/engine-options.js';
import { RefusedReports } from '../partitions/dispatch/refused-reports.js';
import { sandboxEvaluator } from '../partitions/effects/sandbox-evaluator.js';
import { StoreClock } from '../partitions/ownership/store-clock.js';
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

export interface OpenEngineParts {
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
  const { store, pool } = database;
  const { nats, bus, terms, counters } = parts.bus;
  const clock = new StoreClock(logger);
  const sandbox = new Sandbox({ threads: settings.sandboxThreads });
  opened.push(() => sandbox.close());
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
  const admissions = new Admissions(database.admitting, (tenantId) => bus.runningOf(tenantId));
  const refused = new RefusedReports(controlClientOver(nats), logger);
  opened.push(() => refused.close());
  const outputs = new OutputIntake({
    clock,
    log: logger,
    pool: database.output,
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
    counters,
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
  return { engine, clock, admissions, projection, traces, restoring };
}
