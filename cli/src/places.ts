import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The top folder of the checkout. */
export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** The data directory of this checkout's platform, or BATUTA_DATA_DIR if it is set. */
export function dataDir(env: NodeJS.ProcessEnv = process.env): string {
  return resolve(env['BATUTA_DATA_DIR'] ?? resolve(ROOT, '.batuta'));
}
