import { newId } from '@batuta/contracts';
import { SealKeys, sealKeysOf } from '@batuta/event-store';
import type { Logger } from '@batuta/observability';
import { openArchive } from '../archive/archive-settings.js';
import { Archiver } from '../archive/archiver.js';
import { Restorer } from '../archive/restorer.js';
import { Integrity } from '../integrity/integrity.js';
import { Sealer } from '../integrity/sealer.js';
import { systemClock } from '../partitions/ports/system-ports.js';
import { platformDefault } from '../retention/policy.js';
import { RetentionPolicies } from '../retention/policies.js';
import { RetentionJob } from '../retention/retention-job.js';
import { exposeRetention } from '../retention/retention-metrics.js';
import type { ExecutionSettings } from '../settings.js';
import type { Database } from './open-database.js';
import type { OpenedEngine } from './open-engine.js';
import type { Opened } from '@batuta/service';

/** A deletion without an answer by then is repeated in the next pass. */
const RETENTION_ANSWER_MS = 10_000;

export interface OpenedRetention {
  readonly integrity: Integrity;
  readonly policies: RetentionPolicies;
  readonly retention: RetentionJob;
  /** Undefined when there are no keys to sign with. */
  readonly sealer: Sealer | undefined;
}

/** What keeps the log: its checkpoints, its archive, and the deletion of what is old. Nothing is started yet. */
export function openRetention(
  settings: ExecutionSettings,
  logger: Logger,
  { store, pool, lookUps, storeOf }: Database,
  { engine, clock, restoring }: OpenedEngine,
  opened: Opened,
): OpenedRetention {
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
  return { integrity, policies, retention, sealer: sealKeys.canSign ? sealer : undefined };
}
