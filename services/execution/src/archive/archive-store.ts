/** Where archive files are kept. A file is written once, under a name that no other file ever has, and never changed. */
export interface ArchiveStore {
  /** The name of the place for logs and errors. Contains no secret. */
  readonly where: string;
  /** Resolves once the file is durable. A crash at any moment leaves all of it or nothing under its name. */
  put(name: string, bytes: Buffer): Promise<void>;
  /** Undefined when there is no such file. */
  get(name: string): Promise<Buffer | undefined>;
  /** That it is not there is no error. */
  remove(name: string): Promise<void>;
  /** Names of all files of a tenant. */
  list(tenantId: string): AsyncIterable<string>;
}

/** An archive that does not take or give files. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError';
}

const NAME = /^[A-Za-z0-9_-]{1,64}\/\d{4}-\d{2}-\d{2}\/[0-9a-f-]{36}\.jsonl\.gz$/;

/** Whether an archive could have given a file this name. What a log says is not trusted with paths. */
export function isArchiveName(name: string): boolean {
  return NAME.test(name);
}

/** `<tenant>/<day>/<id>.jsonl.gz`, so that a tenant's files, or those of a day, are found without opening any. `at`: epoch ms. */
export function archiveName(tenantId: string, at: number, id: string): string {
  const name = `${tenantId}/${new Date(at).toISOString().slice(0, 10)}/${id}.jsonl.gz`;
  if (!isArchiveName(name)) throw new ArchiveError(`"${name}" can be no name of an archive file`);
  return name;
}
