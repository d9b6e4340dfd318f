import { readRunFile } from './api-client.js';

/**
 * Address of the database to work on directly: DATABASE_URL when set, else that of the platform running from `dataDir`;
 * undefined when none is running.
 */
export async function databaseUrlOfRunning(
  dataDir: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string | undefined> {
  return env['DATABASE_URL'] ?? (await readRunFile(dataDir))?.database_url;
}
