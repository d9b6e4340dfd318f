import { createHash, randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { LocalStackError } from '../errors.js';
import { readJson, writeJson } from '../json-file.js';
import type { StackLogger } from '../logger.js';
import { runCommand } from '../run-command.js';
import { USER } from './database.js';
import { reachableBy, SHARED_ROOT, type PostgresRuntime } from './runtime.js';

/** Only the variables that the server needs. A `PGDATA`, `PGPORT` or locale in the user's shell must not change it. */
export function serverEnvironment(): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', LANG: 'C', TZ: 'UTC' };
}

/** Chooses a directory for the database files to which the server's user has access. */
export async function placeData(home: string, runtime: PostgresRuntime, logger: StackLogger): Promise<string> {
  const inside = path.join(home, 'data');
  if (runtime.account === undefined) return await ownDirectory(inside, runtime);
  // Others may pass through these two directories. Their files have modes of their own.
  await chmod(home, 0o711);
  if (await reachableBy(home, runtime.account)) return await ownDirectory(inside, runtime);

  const hash = createHash('sha256').update(home).digest('hex').slice(0, 12);
  const outside = path.join(SHARED_ROOT, `data-${hash}`);
  const pointerFile = path.join(home, 'data-location.json');
  if ((await readJson<{ dataDir: string }>(pointerFile))?.dataDir !== outside) {
    // Nothing refers to this directory, so its content belonged to a directory of the same name that was removed since.
    await rm(outside, { recursive: true, force: true });
    await mkdir(SHARED_ROOT, { recursive: true, mode: 0o755 });
    await writeJson(pointerFile, { dataDir: outside });
  }
  logger.info(`PostgreSQL does not run as root and its own user cannot reach ${home}: its files are in ${outside}.`);
  return await ownDirectory(outside, runtime);
}

async function ownDirectory(directory: string, { account }: PostgresRuntime): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const found = await stat(directory);
  if (account !== undefined && found.uid !== account.uid) {
    if ((await readdir(directory)).length > 0) {
      throw new LocalStackError(
        `${directory} belongs to another user than the one PostgreSQL runs as here. ` +
          'Start as the user who started it before, or use another data directory.',
      );
    }
    await chown(directory, account.uid, account.gid);
  }
  return directory;
}

export interface Cluster {
  readonly password: string;
  readonly fresh: boolean;
  /** Written when the cluster is complete and on disk. Without this file there is nothing to keep. */
  readonly markerFile: string;
}

/** Makes the database files when there are none. */
export async function openCluster(
  home: string,
  dataDir: string,
  runtime: PostgresRuntime,
  logger: StackLogger,
): Promise<Cluster> {
  const markerFile = path.join(home, 'initialized.json');
  const passwordFile = path.join(home, 'password');
  if ((await readJson(markerFile)) !== undefined && (await readdir(dataDir)).length > 0) {
    const major = (await readFile(path.join(dataDir, 'PG_VERSION'), 'utf8')).trim();
    if (major !== runtime.major) {
      throw new LocalStackError(
        `The database in ${dataDir} was made by PostgreSQL ${major}; this is ${runtime.major}. ` +
          `Move its data with PostgreSQL ${major}'s pg_dump, or remove the data directory to start with an empty database.`,
      );
    }
    return { password: (await readFile(passwordFile, 'utf8')).trim(), fresh: false, markerFile };
  }
  await rm(markerFile, { force: true });
  for (const entry of await readdir(dataDir)) await rm(path.join(dataDir, entry), { recursive: true, force: true });
  logger.info(`Making the database in ${dataDir}.`);
  const password = randomBytes(24).toString('hex');
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600, flush: true });
  await initialize(home, dataDir, password, runtime);
  return { password, fresh: true, markerFile };
}

async function initialize(home: string, dataDir: string, password: string, runtime: PostgresRuntime): Promise<void> {
  // initdb reads the password as the server's user, who cannot read this process's files.
  const handover = path.join(runtime.account === undefined ? home : path.dirname(dataDir), `initdb.${process.pid}`);
  try {
    await writeFile(handover, `${password}\n`, { mode: 0o600 });
    if (runtime.account !== undefined) await chown(handover, runtime.account.uid, runtime.account.gid);
    const { code, output } = await runCommand(
      runtime.initdb,
      [
        ['-D', dataDir],
        ['-U', USER],
        [`--pwfile=${handover}`, '--auth=scram-sha-256'],
        ['--encoding=UTF8', '--locale=C'],
        // The files are synced while the server starts: see syncToDisk.
        ['--no-sync', '--no-instructions'],
      ].flat(),
      { env: serverEnvironment(), account: runtime.account },
    );
    if (code !== 0) {
      // The output before the error only lists successful steps.
      const errors = output.split('\n').filter((line) => /error|fatal|could not|cannot|no space/i.test(line));
      const said = (errors.length === 0 ? output.split('\n') : errors).slice(-5).join('\n');
      throw new LocalStackError(`The database in ${dataDir} cannot be made. initdb says:\n${said}`);
    }
  } finally {
    await rm(handover, { force: true });
  }
}

/**
 * Writes the new cluster to disk for good. It runs during the server's start, and nobody gets the server before it is
 * done.
 */
export async function syncToDisk(dataDir: string, runtime: PostgresRuntime): Promise<void> {
  const { code, output } = await runCommand(runtime.initdb, ['--sync-only', '-D', dataDir], {
    env: serverEnvironment(),
    account: runtime.account,
  });
  if (code !== 0) throw new LocalStackError(`The database in ${dataDir} cannot be written to disk:\n${output}`);
}
