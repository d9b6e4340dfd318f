import { constants } from 'node:fs';
import { access, mkdir, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ArchiveError, isArchiveName, requireReadable } from './archive-store.js';
import type { ArchiveStore } from './archive-store.js';

const isGone = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

/** Archive files in a directory. Every engine must see the same directory, for example a volume that is mounted in each. */
export class DirectoryStore implements ArchiveStore {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  get where(): string {
    return this.#root;
  }

  /** Written beside its name, flushed, and then renamed; the directories are flushed too, so that a power cut keeps the name. */
  async put(name: string, bytes: Buffer): Promise<void> {
    const path = this.#path(name);
    const beside = `${path}.part`;
    // If a volume is not mounted, its directory must not be made on the disk below it.
    await access(this.#root, constants.W_OK);
    await mkdir(dirname(path), { recursive: true });
    const file = await open(beside, 'w', 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } catch (error) {
      await rm(beside, { force: true }).catch(() => undefined);
      throw error;
    } finally {
      await file.close();
    }
    await rename(beside, path);
    for (const directory of [dirname(path), dirname(dirname(path)), this.#root]) await flush(directory);
  }

  async get(name: string): Promise<Buffer | undefined> {
    try {
      const path = this.#path(name);
      requireReadable(name, (await stat(path)).size);
      return await readFile(path);
    } catch (error) {
      if (!isGone(error)) throw error;
      await access(this.#root, constants.R_OK);
      return undefined;
    }
  }

  async remove(name: string): Promise<void> {
    await rm(this.#path(name), { force: true });
  }

  async *list(tenantId: string): AsyncGenerator<string> {
    await access(this.#root, constants.R_OK);
    for (const day of await entries(join(this.#root, tenantId))) {
      for (const file of await entries(join(this.#root, tenantId, day))) {
        const name = `${tenantId}/${day}/${file}`;
        if (isArchiveName(name)) yield name;
        // A half-written file that a crash has left is of this tenant too.
        else if (isArchiveName(name.replace(/\.part$/, ''))) await rm(join(this.#root, name), { force: true });
      }
    }
  }

  #path(name: string): string {
    if (!isArchiveName(name)) throw new ArchiveError(`"${name}" is no name of an archive file`);
    return join(this.#root, name);
  }
}

async function entries(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).sort();
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

async function flush(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
