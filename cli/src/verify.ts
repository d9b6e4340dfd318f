import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sealKeysOf, verifyExecutions } from '@batuta/execution';
import type { Difference, VerifySummary } from '@batuta/execution';
import { CliError } from './api-client.js';
import { withDatabase } from './database.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * Compares one execution, `all`, or all of a tenant with the fold of the event log and with its chain; tells the first
 * difference of each that has one.
 * @throws CliError when `which` is neither, and when there is no database to work on.
 */
export async function verify(
  dataDir: string,
  which: string,
  tenantId: string | undefined,
  onDifference: (difference: Difference) => void,
): Promise<VerifySummary> {
  const asked = which.toLowerCase();
  if (asked !== 'all' && !UUID.test(asked)) {
    throw new CliError(`"${which}" is neither the id of an execution nor "all"`);
  }
  if (tenantId !== undefined && asked !== 'all') throw new CliError('--tenant goes with "all" only');
  const seals = await sealsOf(dataDir);
  return withDatabase(dataDir, (databaseUrl) =>
    verifyExecutions(databaseUrl, tenantId === undefined ? asked : { tenantId }, onDifference, seals),
  );
}

/** The keys that may have signed checkpoints: those in the environment, otherwise those of the platform here. */
async function sealsOf(dataDir: string, env: NodeJS.ProcessEnv = process.env): Promise<readonly Buffer[]> {
  const text =
    env['BATUTA_EXECUTION_SEAL_KEYS'] ??
    (await readFile(join(dataDir, 'seal.key'), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    }));
  if (text === undefined) return [];
  const keys = sealKeysOf(text.trim());
  if (keys === undefined) throw new CliError('BATUTA_EXECUTION_SEAL_KEYS or seal.key does not hold 32 bytes in Base64');
  return keys;
}
