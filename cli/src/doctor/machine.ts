import { statfs } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../places.js';
import { failed, ok, unknown, warning } from './finding.js';
import type { Finding } from './finding.js';

const MIB = 1024 ** 2;
const LITTLE_MIB = 2_048;
const NONE_MIB = 256;

/** Looks at Node.js and at the disk of the data directory. Never rejects. */
export async function seeMachine(dataDir: string): Promise<Finding[]> {
  return [nodeVersion(), await disk(dataDir)];
}

function nodeVersion(): Finding {
  const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { engines: { node: string } };
  const least = engines.node.replace('>=', '').split('.').map(Number);
  const here = process.versions.node.split('.').map(Number);
  const place = least.findIndex((part, index) => part !== here[index]);
  const isOld = place >= 0 && (here[place] ?? 0) < (least[place] ?? 0);
  return isOld
    ? failed('Node.js', `${process.version} is too old: ${engines.node} is needed.`)
    : ok('Node.js', `${process.version} (needed: ${engines.node}).`);
}

async function disk(dataDir: string): Promise<Finding> {
  const about = 'disk';
  try {
    const { bavail, bsize } = await statfs(dataDir);
    const free = Math.floor((bavail * bsize) / MIB);
    const text = `${free} MiB are free on the disk of ${dataDir}.`;
    return free < NONE_MIB ? failed(about, text) : free < LITTLE_MIB ? warning(about, text) : ok(about, text);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return unknown(about, `There is no ${dataDir} yet.`);
    return failed(about, `${dataDir} cannot be looked at: ${(error as Error).message}`);
  }
}
