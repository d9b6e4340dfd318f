import { freeBytes } from '@batuta/local-stack';
import { failed, ok, unknown, warning } from './finding.js';
import type { Finding } from './finding.js';

const MIB = 1024 ** 2;
const LITTLE_MIB = 2_048;
const NONE_MIB = 256;

/** Checks Node.js and the disk of the data directory. Never rejects. */
export async function seeMachine(dataDir: string): Promise<Finding[]> {
  // The launcher already refuses a version that is too old.
  return [ok('Node.js', `${process.version}.`), await disk(dataDir)];
}

async function disk(dataDir: string): Promise<Finding> {
  const about = 'disk';
  try {
    const free = Math.floor((await freeBytes(dataDir)) / MIB);
    const text = `${free} MiB are free on the disk of ${dataDir}.`;
    return free < NONE_MIB ? failed(about, text) : free < LITTLE_MIB ? warning(about, text) : ok(about, text);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return unknown(about, `There is no ${dataDir} yet.`);
    return failed(about, `${dataDir} cannot be looked at: ${(error as Error).message}`);
  }
}
