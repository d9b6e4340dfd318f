/** Where archive files are kept. A file is written once, under a name that no other file ever has, and never changed. */
export interface ArchiveStore {
  /** The name of the place for logs and errors. Contains no secret. */
  readonly where: string;
  /** Resolves when the file is durable. After a crash at any moment, the name has the whole file or nothing. */
  put(name: string, bytes: Buffer): Promise<void>;
  /** Undefined when there is no such file. */
  get(name: string): Promise<Buffer | undefined>;
  /** A missing file is not an error. */
  remove(name: string): Promise<void>;
  /** Names of all files of a tenant. */
  list(tenantId: string): AsyncIterable<string>;
}

/** The archive cannot write or read a file. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError';
}

/** An archive file that is gone, or does not hold what was put into it. The message names file and line, and no path. */
export class BrokenArchive extends ArchiveError {}

/** Bytes of a file. The archive never writes so many. */
const MOST_BYTES = 512 * 1024 * 1024;

/** @throws BrokenArchive for a file that is larger than any that the archive writes, before it is read. */
export function requireReadable(name: string, bytes: number): void {
  if (bytes > MOST_BYTES) throw new BrokenArchive(`${name} has ${bytes} bytes, and no archive file has so many`);
}

const NAME = /^[A-Za-z0-9_-]{1,64}\/\d{4}-\d{2}-\d{2}\/[0-9a-f-]{36}\.jsonl\.gz$/;

/** Whether an archive could have given a file this name. A path that comes from a log is not trusted. */
export function isArchiveName(name: string): boolean {
  return NAME.test(name);
}

/** `<tenant>/<day>/<id>.jsonl.gz`, so that the files of a tenant or of a day are found without opening any. `at` is epoch ms. */
export function archiveName(tenantId: string, at: number, id: string): string {
  const name = `${tenantId}/${new Date(at).toISOString().slice(0, 10)}/${id}.jsonl.gz`;
  if (!isArchiveName(name)) throw new ArchiveError(`"${name}" can be no name of an archive file`);
  return name;
}
