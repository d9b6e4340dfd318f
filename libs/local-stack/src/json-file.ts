import { readFile, rename, writeFile } from 'node:fs/promises';

/** Reads a JSON file. Undefined when it is missing or is not JSON, as after a crash during writing. */
export async function readJson<T>(file: string): Promise<Partial<T> | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(file, 'utf8'));
    return typeof value === 'object' && value !== null ? (value as Partial<T>) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Writes a JSON file completely or not at all. By default, only its owner can read it. */
export async function writeJson(file: string, value: unknown, mode = 0o600): Promise<void> {
  const draft = `${file}.${process.pid}.tmp`;
  await writeFile(draft, `${JSON.stringify(value, null, 2)}\n`, { mode, flush: true });
  await rename(draft, file);
}
