import { setTimeout as delay } from 'node:timers/promises';
import { DiskUseReader } from '../partitions/disk-use.js';
import { readBacklog } from '../partitions/bus/backlog.js';
import { exposeEngine } from '../partitions/engine-metrics.js';
import { systemClock } from '../partitions/ports/system-ports.js';
import { COUNT_APPROVALS } from '../queries/sql.js';
import type { OpenedBus } from './open-bus.js';
import type { Database } from './open-database.js';
import type { OpenedEngine } from './open-engine.js';

/** Time limit for one value of a scrape. */
const SCRAPE_MS = 2_000;

/** The metrics of the engine. Returns what ends them. */
export function exposeService(
  { pool }: Database,
  { jetStream, bus }: OpenedBus,
  { engine, clock, projection, traces }: OpenedEngine,
): () => void {
  const disk = new DiskUseReader(
    pool,
    async (stream) => (await jetStream.request(`$JS.API.STREAM.INFO.${stream}`, '', { timeout: 1_000 })).json(),
    () => systemClock.elapsed(),
  );
  return exposeEngine({
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
  });
}
