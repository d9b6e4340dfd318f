import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { LocalStackBusyError } from './errors.js';
import { readJson } from './json-file.js';
import { processIdentity } from './process-identity.js';
import type { ServerRecord } from './server-process.js';

interface Holder {
  readonly pid: number;
  readonly identity: string;
  readonly startedAt: string;
}

/** The data directory is ours until `release()`. */
export interface DataLock {
  release(): Promise<void>;
}

/**
 * Takes a data directory for this process. The lock of a process that ended without releasing it is taken over.
 *
 * Throws `LocalStackBusyError` when a live process, this one included, holds it.
 */
export async function lockDataDir(dataDir: string): Promise<DataLock> {
  const file = path.join(dataDir, 'lock.json');
  const identity = processIdentity(process.pid) ?? String(process.pid);
  const draft = path.join(dataDir, `lock.${process.pid}.${process.hrtime.bigint()}.tmp`);
  const mine: Holder = { pid: process.pid, identity, startedAt: new Date().toISOString() };
  await writeFile(draft, `${JSON.stringify(mine)}\n`, { mode: 0o644 });
  try {
    for (;;) {
      if (await linkUnlessThere(draft, file)) break;
      const found = await textOf(file);
      if (found === undefined) continue;
      const holder = parse(found);
      if (holder?.pid !== undefined && processIdentity(holder.pid) === holder.identity) {
        const port = async (server: string) =>
          (await readJson<ServerRecord>(path.join(dataDir, server, 'server.json')))?.port;
        throw new LocalStackBusyError(
          dataDir,
          holder.pid,
          holder.startedAt ?? 'an unknown time',
          await port('postgres'),
          await port('nats'),
        );
      }
      await discardStale(file, found, `${draft}.stale`);
    }
  } finally {
    await rm(draft, { force: true });
  }
  return {
    async release() {
      if (parse((await textOf(file)) ?? '')?.identity === identity) await rm(file, { force: true });
    },
  };
}

/** A link appears whole and at once, or not at all: a reader never meets a lock that is half written. */
async function linkUnlessThere(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Removes the lock that was seen, not one that another process put in its place meanwhile. */
async function discardStale(file: string, seen: string, aside: string): Promise<void> {
  try {
    await rename(file, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  if ((await readFile(aside, 'utf8')) !== seen) await linkUnlessThere(aside, file);
  await rm(aside, { force: true });
}

async function textOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function parse(text: string): Partial<Holder> | undefined {
  try {
    return JSON.parse(text) as Partial<Holder>;
  } catch {
    return undefined;
  }
}
