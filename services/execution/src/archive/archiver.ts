import type { ExportExecutionReply, ExportExecutionRequest } from '@batuta/contracts';
import { ArchiveWriter, readArchive } from './archive-file.js';
import { ArchiveError, archiveName } from './archive-store.js';
import type { ArchiveStore } from './archive-store.js';

interface ArchiverParts {
  readonly store: ArchiveStore;
  /** A page of the lines of an execution's bundle. */
  readonly lines: (request: ExportExecutionRequest) => Promise<ExportExecutionReply>;
  /** Epoch ms. */
  readonly now: () => number;
  readonly newId: () => string;
}

interface Wanted {
  readonly id: string;
  readonly version: number;
}

/** The outcome of archiving some executions. */
export interface Archived {
  /** Name of the file. */
  readonly name: string;
  readonly bytes: number;
  /** Ids of the executions in the file. They are durable and were read back without a fault, so they may be deleted. */
  readonly archived: ReadonlySet<string>;
  /** Ids of executions whose events are not those that were committed, with the reason. */
  readonly broken: ReadonlyMap<string, string>;
  /** How many of the given executions were looked at, from the first one on. */
  readonly taken: number;
}

/** Bytes of one file before compression. The execution that goes past this limit is the file's last one. */
const MOST_BYTES = 8 * 1024 * 1024;

/** Writes executions to one archive file, and relies on the file only after it has read it back. */
export class Archiver {
  readonly #parts: ArchiverParts;

  constructor(parts: ArchiverParts) {
    this.#parts = parts;
  }

  get store(): ArchiveStore {
    return this.#parts.store;
  }

  /**
   * Archives the first of these executions of a tenant, as many as one file takes. Undefined when none of them exists any more. An
   * execution with another version by now is not in `archived`. Throws when the archive cannot write the file, or reads back something else.
   */
  async archive(
    tenantId: string,
    wanted: readonly Wanted[],
    goesOn: () => boolean,
  ): Promise<Archived | { readonly name?: undefined; readonly taken: number }> {
    const { store, now, newId } = this.#parts;
    const file = new ArchiveWriter();
    let taken = 0;
    for (const { id } of wanted) {
      if (file.bytes >= MOST_BYTES || !goesOn()) break;
      taken += 1;
      await this.#add(file, tenantId, id);
    }
    const bytes = await file.end();
    if (file.bytes === 0) return { taken };
    const name = archiveName(tenantId, now(), newId());
    await store.put(name, bytes);
    const stored = await store.get(name);
    if (stored === undefined || !stored.equals(bytes)) {
      await store.remove(name);
      throw new ArchiveError(`${store.where} took ${name} and gave back something else`);
    }
    const versions = new Map(wanted.slice(0, taken).map(({ id, version }) => [id, version]));
    const archived = new Set<string>();
    const broken = new Map<string, string>();
    for await (const { executionId, tenantId: of, events, problems } of readArchive(stored)) {
      const [problem] = problems;
      if (problem !== undefined) broken.set(executionId, problem);
      else if (of === tenantId && versions.get(executionId) === events.length) archived.add(executionId);
    }
    return { name, bytes: bytes.length, archived, broken, taken };
  }

  /** Its lines, a page of events at a time. Nothing when the execution is gone. */
  async #add(file: ArchiveWriter, tenantId: string, executionId: string): Promise<void> {
    for (let fromVersion: number | undefined = 1; fromVersion !== undefined;) {
      const page: ExportExecutionReply = await this.#parts.lines({ tenantId, executionId, fromVersion });
      if (page.refused !== undefined) {
        if (fromVersion === 1) return;
        throw new ArchiveError(`execution ${executionId} went while it was archived`);
      }
      for (const line of page.lines) await file.add(line);
      fromVersion = page.nextVersion === 0 ? undefined : page.nextVersion;
    }
  }
}
