import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The top folder of the checkout. */
export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** Where the platform of this checkout keeps everything; BATUTA_DATA_DIR when set. */
export function dataDir(env: NodeJS.ProcessEnv = process.env): string {
  return resolve(env['BATUTA_DATA_DIR'] ?? resolve(ROOT, '.batuta'));
}
