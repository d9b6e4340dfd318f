import { randomBytes } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { recordCommand, reencryptSecrets } from '@batuta/config';
import { reencryptCallbacks } from '@batuta/notifications';
import { alreadyRuns, readRunFile } from '../run-file.js';
import { CliError } from './api-client.js';
import { withDatabase } from './database.js';

interface Found {
  readonly renewed: number;
  /** What no key can read; with `check`, what is not under the first key. */
  readonly left: number;
}

interface ReencryptOptions {
  readonly newKey?: boolean;
  readonly check?: boolean;
}

/** `found` undefined: there is no key for it. */
type Told = (what: string, found: Found | undefined) => void;

interface Keys {
  /** With commas between; the first encrypts. */
  readonly text: string;
  /** The file of the platform here that they are from; undefined when they are given otherwise. */
  readonly file: string | undefined;
}

/**
 * Encrypts everything under the first of the keys, and records that in the audit log. With `newKey` the keys of the platform here get a new
 * first one before and are without the others afterwards. Interrupted, it goes on where it was when it is called again: until all is
 * under the new key, the files have both.
 * @throws CliError when the platform here runs, for keys that are none, and when there is no database to work on.
 */
export async function reencrypt(
  dataDir: string,
  { newKey = false, check = false }: ReencryptOptions,
  told: Told,
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  const secretsFile = env['BATUTA_SECRETS_KEYS_FILE'];
  const given = {
    secrets:
      env['BATUTA_SECRETS_KEYS'] ?? (secretsFile === undefined ? undefined : await readFile(secretsFile, 'utf8')),
    callbacks: env['BATUTA_NOTIFICATIONS_ENCRYPTION_KEYS'],
  };
  if (newKey && (given.secrets !== undefined || given.callbacks !== undefined)) {
    const message = '--new-key changes the key files of the platform here, but keys are given by the environment';
    throw new CliError(`${message}: put a new key before them there, as docs/operations.md says`);
  }
  const here = given.secrets === undefined && given.callbacks === undefined && env['DATABASE_URL'] === undefined;
  const running = here && !check ? readRunFile(dataDir) : undefined;
  if (running !== undefined) {
    throw new CliError(`What runs knows the keys that it was started with. ${alreadyRuns(running)}`);
  }
  const keysOf = async (text: string | undefined, name: string): Promise<Keys | undefined> => {
    if (text !== undefined) return { text: text.trim(), file: undefined };
    const file = join(dataDir, name);
    const kept = here ? await textOf(file) : undefined;
    if (kept === undefined) return undefined;
    // More than one key: the last call was interrupted, and what is new is there already.
    if (!newKey || kept.includes(',')) return { text: kept, file };
    const keys = `${randomBytes(32).toString('base64')},${kept}`;
    await keep(file, keys);
    return { text: keys, file };
  };
  const [secrets, callbacks] = [
    await keysOf(given.secrets, 'secrets.key'),
    await keysOf(given.callbacks, 'notifications.key'),
  ];
  if (secrets === undefined && callbacks === undefined) {
    throw new CliError('no keys are set: BATUTA_SECRETS_KEYS and BATUTA_NOTIFICATIONS_ENCRYPTION_KEYS say them');
  }
  await withDatabase(dataDir, async (databaseUrl) => {
    const work = async (): Promise<number> => {
      const ofSecrets = secrets === undefined ? undefined : await reencryptSecrets(databaseUrl, secrets.text, check);
      const rest = callbacks === undefined ? undefined : await reencryptCallbacks(databaseUrl, callbacks.text, check);
      told('secrets', ofSecrets);
      told('signing secrets', rest?.signingSecrets);
      told('callbacks with headers', rest?.headers);
      if (newKey) {
        if (secrets?.file !== undefined && ofSecrets?.left === 0) await keep(secrets.file, firstOf(secrets));
        const clean = rest !== undefined && rest.signingSecrets.left + rest.headers.left === 0;
        if (callbacks?.file !== undefined && clean) await keep(callbacks.file, firstOf(callbacks));
      }
      return (ofSecrets?.left ?? 0) + (rest?.signingSecrets.left ?? 0) + (rest?.headers.left ?? 0);
    };
    const left = await work().catch((error: unknown) => {
      throw error instanceof RangeError ? new CliError(error.message) : error;
    });
    if (check) return;
    const outcome = left === 0 ? 'succeeded' : 'failed';
    await recordCommand(databaseUrl, { action: 'reencrypt', resource: 'keys', outcome });
  });
}

const firstOf = ({ text }: Keys): string => text.split(',')[0] ?? '';

async function textOf(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** On the disk before anything is encrypted with it, and never half of it. */
async function keep(file: string, keys: string): Promise<void> {
  const draft = `${file}.${process.pid}.tmp`;
  await writeFile(draft, `${keys}\n`, { mode: 0o600, flush: true });
  await rename(draft, file);
}
