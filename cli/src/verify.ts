import { verifyExecutions } from '@batuta/execution';
import type { Difference, VerifySummary } from '@batuta/execution';
import { CliError } from './api-client.js';
import { withDatabase } from './database.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * Compares one execution, or `all`, with the fold of the event log; tells the first difference of each that has one.
 * @throws CliError when `which` is neither, and when there is no database to work on.
 */
export async function verify(
  dataDir: string,
  which: string,
  onDifference: (difference: Difference) => void,
): Promise<VerifySummary> {
  const asked = which.toLowerCase();
  if (asked !== 'all' && !UUID.test(asked)) {
    throw new CliError(`"${which}" is neither the id of an execution nor "all"`);
  }
  return withDatabase(dataDir, (databaseUrl) => verifyExecutions(databaseUrl, asked, onDifference));
}
