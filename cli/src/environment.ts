import { readFile } from 'node:fs/promises';
import { CliError, readRunFile } from './api-client.js';

/**
 * What curl, a worker and the examples need to reach the platform that runs from `dataDir`, as lines for a POSIX shell.
 * @throws CliError when none runs.
 */
export async function environmentLines(dataDir: string): Promise<string[]> {
  const run = await readRunFile(dataDir);
  if (run === undefined) throw new CliError('No platform is running here. Start one with `npm start`.');
  return Object.entries({
    BATUTA_URL: run.url,
    BATUTA_API_KEY: (await readFile(run.api_key_file, 'utf8')).trim(),
    NATS_URL: run.nats_url,
  }).map(([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'`);
}
