import { readArchive } from './archive-file.js';
import type { ArchivedExecution } from './archive-file.js';
import { ArchiveError, BrokenArchive, isArchiveName } from './archive-store.js';
import type { ArchiveStore } from './archive-store.js';

/**
 * One execution from its archive file. @throws BrokenArchive when the file does not have it as it was committed, and errors of
 * the store.
 */
export async function archivedExecution(
  store: Pick<ArchiveStore, 'get' | 'where'> | undefined,
  name: string,
  executionId: string,
): Promise<ArchivedExecution> {
  if (store === undefined) throw new ArchiveError('the platform has no archive: BATUTA_ARCHIVE_URL is not set');
  const bytes = isArchiveName(name) ? await store.get(name) : undefined;
  if (bytes === undefined) throw new BrokenArchive(`the archive has no file ${name}`);
  const found = await findIn(bytes, executionId).catch((error: unknown) => {
    throw new BrokenArchive(`${name}, ${(error as Error).message}`, { cause: error });
  });
  if (found === undefined) throw new BrokenArchive(`${name} does not hold ${executionId}`);
  const [problem] = found.problems;
  if (problem !== undefined) throw new BrokenArchive(`${name} does not hold ${executionId} as it was: ${problem}`);
  return found;
}

async function findIn(bytes: Buffer, executionId: string): Promise<ArchivedExecution | undefined> {
  for await (const found of readArchive(bytes)) {
    if (found.executionId === executionId) return found;
  }
  return undefined;
}
