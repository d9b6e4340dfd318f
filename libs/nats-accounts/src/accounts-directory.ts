import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { NATS_SERVICES, poolPermissions, poolUser, servicePermissions } from '@batuta/contracts';
import { NatsAccounts, newAccountKeys } from './nats-accounts.js';
import type { AccountKeys } from './nats-accounts.js';

/** The name of the file with the keys. */
const KEYS_FILE = 'keys.json';

/**
 * Loads the accounts whose keys are in `<directory>/keys.json`. The first call creates the file, readable by its owner
 * only.
 */
export async function loadAccounts(directory: string): Promise<NatsAccounts> {
  const file = path.join(directory, KEYS_FILE);
  const text = await textOf(file);
  if (text !== undefined) return new NatsAccounts(JSON.parse(text) as AccountKeys);
  const keys = await newAccountKeys();
  return saveAccounts(directory, keys);
}

/** Writes the keys to `<directory>/keys.json`. */
export async function saveAccounts(directory: string, keys: AccountKeys): Promise<NatsAccounts> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await writeWhole(path.join(directory, KEYS_FILE), `${JSON.stringify(keys, null, 2)}\n`);
  return new NatsAccounts(keys);
}

/** Loads the accounts from a file that `loadAccounts` created. Throws when the file is missing or has no keys. */
export async function accountsIn(file: string): Promise<NatsAccounts> {
  const keys = JSON.parse(await readFile(file, 'utf8')) as Partial<AccountKeys>;
  if (keys.version !== 1 || keys.signingSeed === undefined) throw new Error(`${file} has no keys of NATS accounts`);
  return new NatsAccounts(keys as AccountKeys);
}

/**
 * Writes the credentials of every service to a file. `{service}` in the path stands for the service's name. Existing
 * credentials stay, unless the service's permissions have changed. `pools`: those that the step-runner serves.
 */
export async function writeServiceCredentials(
  accounts: NatsAccounts,
  place: string,
  pools: readonly string[],
): Promise<void> {
  await Promise.all(
    NATS_SERVICES.map(async (service) => {
      const file = place.replaceAll('{service}', service);
      const before = await textOf(file);
      const { text } = await accounts.renew(before, service, servicePermissions(service, pools));
      await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
      if (text !== before) await writeWhole(file, text);
    }),
  );
}

/**
 * Writes credentials for the workers of a pool to `<directory>/pool.<pool>.creds`, and returns the path. Existing
 * credentials in the file are replaced, but stay valid until they expire. `validMs`: how long the new ones are valid.
 */
export async function writePoolCredentials(
  accounts: NatsAccounts,
  directory: string,
  pool: string,
  validMs: number,
): Promise<string> {
  const file = path.join(directory, `${poolUser(pool)}.creds`);
  const expiresAt = Math.ceil((Date.now() + validMs) / 1_000);
  const { text } = await accounts.issue(poolUser(pool), poolPermissions(pool), expiresAt);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await writeWhole(file, text);
  return file;
}

/** The content of a file. Undefined when the file does not exist. */
export async function textOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Writes a file completely or not at all, readable by its owner only. */
export async function writeWhole(file: string, text: string): Promise<void> {
  const draft = `${file}.${process.pid}.tmp`;
  await writeFile(draft, text, { mode: 0o600, flush: true });
  await rename(draft, file);
}
