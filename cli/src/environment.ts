import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadAccounts, writePoolCredentials } from '@batuta/nats-accounts';
import { readRunFile } from '../run-file.js';
import { CliError } from './api-client.js';

const POOL_CREDENTIALS_MS = 30 * 24 * 3_600_000;

/**
 * The variables that curl, a worker and the examples need to reach the platform that runs from `dataDir`, as lines for
 * a POSIX shell. With `pool`: also a file with new NATS credentials for its workers.
 * @throws CliError when no platform runs, or its NATS server is an external one.
 */
export async function environmentLines(dataDir: string, pool?: string): Promise<string[]> {
  const run = readRunFile(dataDir);
  if (run === undefined) {
    throw new CliError(`No platform is running here. Start one with \`npm start\`. Its data would be in ${dataDir}.`);
  }
  return Object.entries({
    BATUTA_URL: run.url,
    BATUTA_API_KEY: (await readFile(run.api_key_file, 'utf8')).trim(),
    NATS_URL: run.nats_url,
    ...(pool === undefined ? {} : { NATS_CREDS: await poolCredentials(dataDir, pool) }),
  }).map(([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'`);
}

async function poolCredentials(dataDir: string, pool: string): Promise<string> {
  const home = join(dataDir, 'nats');
  if (!existsSync(join(home, 'keys.json'))) {
    throw new CliError(
      'The platform here uses a NATS server of its owner (NATS_URL): whoever runs that makes credentials.',
    );
  }
  return writePoolCredentials(await loadAccounts(home), join(home, 'creds'), pool, POOL_CREDENTIALS_MS);
}
