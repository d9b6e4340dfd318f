import { readFile, readdir, readlink, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { LocalStackError } from '../errors.js';
import { commandLine } from '../process-identity.js';

const ORPHANS_END_MS = 10_000;

/**
 * PostgreSQL refuses to start when the process id in a crashed run's `postmaster.pid` belongs to any process of its
 * user. In containers, where ids start at 1 again, this happens easily. The file is removed when no process works on
 * these data.
 */
export async function clearStalePidFile(dataDir: string): Promise<void> {
  const file = path.join(dataDir, 'postmaster.pid');
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return;
  const pid = Number(text.split('\n')[0]);
  if (Number.isInteger(pid) && commandLine(pid).includes(dataDir)) {
    throw new LocalStackError(`Another PostgreSQL (process ${pid}) works on ${dataDir}. Stop it first.`);
  }
  for (const limit = performance.now() + ORPHANS_END_MS; await isWorkedOn(dataDir); await delay(20)) {
    if (performance.now() > limit) {
      throw new LocalStackError(`Processes of a PostgreSQL that was killed still work on ${dataDir}. Stop them first.`);
    }
  }
  await rm(file, { force: true });
}

/**
 * A server's processes have its data directory as working directory. Those of a killed server may live on for a moment.
 */
async function isWorkedOn(dataDir: string): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    if ((await readlink(`/proc/${pid}/cwd`).catch(() => undefined)) === dataDir) return true;
  }
  return false;
}

/** Whether the server has reported that it accepts connections: line 8 of its pid file (miscadmin.h of PostgreSQL). */
export async function saysReady(dataDir: string): Promise<boolean> {
  const text = await readFile(path.join(dataDir, 'postmaster.pid'), 'utf8').catch(() => '');
  return text.split('\n')[7]?.trim() === 'ready';
}
