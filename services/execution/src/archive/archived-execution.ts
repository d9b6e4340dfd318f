import { readArchive } from './archive-file.js';
import type { ArchivedExecution } from './archive-file.js';
import { ArchiveError, isArchiveName } from './archive-store.js';
import type { ArchiveStore } from './archive-store.js';

/** One execution from its archive file. @throws ArchiveError when the file does not have it as it was committed, and errors of the store. */
export async function archivedExecution(
  store: Pick<ArchiveStore, 'get' | 'where'> | undefined,
  name: string,
  executionId: string,
): Promise<ArchivedExecution> {
  if (store === undefined) throw new ArchiveError('the platform has no archive: BATUTA_ARCHIVE_URL is not set');
  const bytes = isArchiveName(name) ? await store.get(name) : undefined;
  if (bytes === undefined) throw new ArchiveError(`${store.where} has no file ${name}`);
  for await (const found of readArchive(bytes)) {
    if (found.executionId !== executionId) continue;
    const [problem] = found.problems;
    if (problem !== undefined) throw new ArchiveError(`${name} does not hold ${executionId} as it was: ${problem}`);
    return found;
  }
  throw new ArchiveError(`${name} does not hold ${executionId}`);
}
