import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Deployment } from './deployment.js';
import { rounded } from './measure.js';
import { WORKLOADS } from './workload.js';

/** Number of executions that make a store old. */
const OLD_EXECUTIONS = 2_000;

async function launchOnce(layout: string, directory: string): Promise<{ ms: number; deployment: Deployment }> {
  const began = performance.now();
  const deployment = await Deployment.start({ layout, directory });
  // The measured time includes the creation of the config if there is none yet, because an execution needs one.
  await deployment.load({ shape: WORKLOADS.W4.shape, executions: 1, inFlight: 1 });
  return { ms: performance.now() - began, deployment };
}

/**
 * W4: the time from the launch to the first execution's result. First without any files (the database is created too),
 * then with a database that contains only the config, then with an old store.
 */
export async function runLaunch(layout: string, rounds: number, print: (line: object) => void): Promise<void> {
  for (let round = 1; round <= rounds; round += 1) {
    const directory = mkdtempSync(join(tmpdir(), 'batuta-bench-'));
    try {
      const made = await launchOnce(layout, directory);
      await made.deployment.halt();
      const empty = await launchOnce(layout, directory);
      await empty.deployment.load({ shape: WORKLOADS.W4.shape, executions: OLD_EXECUTIONS, inFlight: 64 });
      await empty.deployment.halt();
      const old = await launchOnce(layout, directory);
      await old.deployment.halt();
      print({
        peer: 'batuta',
        work: 'W4',
        round,
        launch_ms: {
          nothing_made: rounded(made.ms, 0),
          store_empty: rounded(empty.ms, 0),
          store_old: rounded(old.ms, 0),
        },
        old_executions: OLD_EXECUTIONS,
        settings: { layout },
      });
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
}
