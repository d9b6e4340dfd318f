import { UnreadableEventError } from '@batuta/event-store';
import type { Event, JsonObject } from '@batuta/contracts';
import { readableEvent } from '../store/kinds.js';
import type { ConfigCopies, HistoryStore } from '../store/port.js';
import { isTombstone } from '../domain/index.js';
import type { Rejection, State } from '../domain/index.js';
import { rowOf } from '../partitions/lane/execution-row.js';
import { foldExecution } from '../partitions/lane/fold-execution.js';
import type { ConfigRegistry } from '../partitions/ports/config-registry.js';
import { archivedExecution } from './archived-execution.js';
import type { ArchivedExecution } from './archive-file.js';
import { BrokenArchive } from './archive-store.js';
import type { ArchiveStore } from './archive-store.js';

interface RestorerParts {
  /** Undefined when the platform has no archive. */
  readonly archive: Pick<ArchiveStore, 'get' | 'where'> | undefined;
  readonly store: Pick<HistoryStore, 'restoreHistory'> & ConfigCopies;
  readonly configs: ConfigRegistry;
  /** Told why an execution was not restored. */
  readonly onFailure: (executionId: string, error: unknown) => void;
}

/**
 * Puts the events of an archived execution back into the log. Only the partition's owner calls it, and commits the event that
 * makes the execution readable afterwards. After a crash between the two, the next owner removes the events again.
 */
export class Restorer {
  readonly #parts: RestorerParts;

  constructor(parts: RestorerParts) {
    this.#parts = parts;
  }

  /** Returns why it cannot be done. Undefined when the log has the events, or when the command itself will be refused. */
  async restore(state: State, tenantId: string): Promise<Rejection | undefined> {
    const { archive, onFailure } = this.#parts;
    const { deleted, executionId, started } = state;
    const name = deleted?.facts.archive;
    // What another tenant asks for is answered as if it were not there.
    if (name === undefined || started?.tenantId !== tenantId || !isTombstone(state)) return undefined;
    if (archive === undefined) {
      const message = 'The platform has no archive now: BATUTA_ARCHIVE_URL is not set for the execution service.';
      return { code: 'not_applicable', message };
    }
    try {
      return await this.#putBack(state, name, await archivedExecution(archive, name, executionId));
    } catch (error) {
      onFailure(executionId, error);
      if (error instanceof BrokenArchive || error instanceof UnreadableEventError) return broken(error.message);
      return { code: 'unavailable', message: 'The archive does not answer now. The log of the service says why.' };
    }
  }

  async #putBack({ deleted, executionId, started }: State, name: string, found: ArchivedExecution) {
    const { store, configs } = this.#parts;
    if (deleted === undefined || started === undefined) return undefined;
    const { tenantId, events, config, line } = found;
    if (tenantId !== started.tenantId) return broken(`${name}, line ${line}: the execution belongs to another tenant`);
    const wanted = deleted.facts.events;
    if (events.length !== wanted) {
      return broken(`${name}, line ${line}: ${events.length} events, ${wanted} were deleted`);
    }
    // A version never changes, and one that is known is not written.
    await store.writeConfig(config.id, config.version, tenantId, config.definition as JsonObject);
    const history = events.map((each) => readableEvent(executionId, each));
    const tombstone = {
      executionId,
      version: wanted + 1,
      type: 'ExecutionDeleted',
      at: deleted.at,
      commandId: deleted.commandId,
      data: deleted.facts,
    } as Event;
    const partition = events[0]?.partition ?? 0;
    const state = await foldExecution(configs, [...history, tombstone]);
    const outcome = await store.restoreHistory({
      executionId,
      events,
      row: rowOf(executionId, partition, state, null),
    });
    return outcome === 'different'
      ? broken(`${name}, line ${line}: these are not the events that were deleted: the log has kept other links`)
      : undefined;
  }
}

const broken = (message: string): Rejection => ({ code: 'archive_broken', message });
