import { fileURLToPath } from 'node:url';
import { isCurrent, loadBundle } from './bundle.js';
import type { ProgramModule } from './bundle.js';

export interface Program {
  /** Where a build puts the program and all that it imports as one file. */
  readonly bundle: URL;
  /** Loads the program file by file. */
  readonly load: () => Promise<ProgramModule>;
}

/**
 * Runs a program of this repository: from its bundle, which loads in a fraction of the time (ADR 0024), or file by file when
 * there is none, when something was compiled after it, or when BATUTA_BUNDLES is `off` (a CPU profile then names files).
 */
export async function runProgram({ bundle, load }: Program): Promise<void> {
  // What the platform computes is the same wherever it runs: a time without a zone is in UTC, never in the host's.
  process.env['TZ'] = 'UTC';
  const file = fileURLToPath(bundle);
  const bundled = process.env['BATUTA_BUNDLES'] !== 'off' && isCurrent(file);
  const { main } = bundled ? loadBundle(file).program : await load();
  await main();
}
