import { link, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { LocalStackBusyError } from './errors.js';
import { readJson, writeJson } from './json-file.js';
import { processIdentity } from './process-identity.js';
import type { ServerRecord } from './server-process.js';

interface Holder {
  readonly pid: number;
  readonly identity: string;
  readonly startedAt: string;
  readonly released?: boolean;
}

/** The data directory belongs to this process until `release()`. */
interface DataLock {
  release(): Promise<void>;
}

/**
 * Takes a data directory for this process. The lock of a process that ended without releasing it is taken over.
 *
 * Locks are numbered and the highest number counts. A process that finds it released, or its holder dead, creates the
 * next number, which only one process can do. The highest lock is never removed, not even when it is released. So a
 * slow process that saw an older lock cannot create a number again unnoticed.
 *
 * Throws `LocalStackBusyError` when a live process, including this one, holds the directory.
 */
export async function lockDataDir(dataDir: string): Promise<DataLock> {
  const mine: Holder = {
    pid: process.pid,
    identity: processIdentity(process.pid) ?? String(process.pid),
    startedAt: new Date().toISOString(),
  };
  const draft = path.join(dataDir, `lock.${process.pid}.${process.hrtime.bigint()}.tmp`);
  await writeFile(draft, `${JSON.stringify(mine)}\n`, { mode: 0o644 });
  try {
    for (;;) {
      const newest = (await lockNumbers(dataDir))[0] ?? 0;
      const holder = await readJson<Holder>(lockFile(dataDir, newest));
      if (isHeld(holder)) throw await busy(dataDir, holder);
      const file = lockFile(dataDir, newest + 1);
      // A link appears completely or not at all, so no reader sees a lock that is half written.
      if (!(await linkUnlessThere(draft, file))) continue;
      const [highest, ...older] = await lockNumbers(dataDir);
      if (highest !== newest + 1) {
        await rm(file, { force: true });
        continue;
      }
      for (const number of older) await rm(lockFile(dataDir, number), { force: true });
      return { release: () => writeJson(file, { ...mine, released: true }, 0o644) };
    }
  } finally {
    await rm(draft, { force: true });
  }
}

function lockFile(dataDir: string, number: number): string {
  return path.join(dataDir, `lock-${number}.json`);
}

/** Highest number first. */
async function lockNumbers(dataDir: string): Promise<number[]> {
  const names = await readdir(dataDir);
  return names
    .flatMap((name) => /^lock-(\d+)\.json$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((one, other) => other - one);
}

function isHeld(holder: Partial<Holder> | undefined): holder is Partial<Holder> & { pid: number } {
  return holder?.pid !== undefined && holder.released !== true && processIdentity(holder.pid) === holder.identity;
}

async function busy(dataDir: string, holder: Partial<Holder> & { pid: number }): Promise<LocalStackBusyError> {
  const [postgres, nats] = await Promise.all(
    ['postgres', 'nats'].map((server) => readJson<ServerRecord>(path.join(dataDir, server, 'server.json'))),
  );
  return new LocalStackBusyError(
    dataDir,
    holder.pid,
    holder.startedAt ?? 'an unknown time',
    postgres?.port,
    nats?.port,
  );
}

async function linkUnlessThere(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
