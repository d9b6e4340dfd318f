import { openSync, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { runService } from '@batuta/service';
import { loadStepRunnerSettings, startStepRunner } from '@batuta/step-runner';
import type { Agent } from '@batuta/worker';

/**
 * Takes `ms` milliseconds, and records its beginning and end outside of the engine, where the record survives the kill
 * of this process.
 */
const ledgerAgent = (file: number): Agent => ({
  name: 'bench_ledger',
  version: '1',
  async run(input, { executionId, stepId, signal }) {
    const { ms = 0, ...output } = input as { ms?: number };
    writeSync(file, `b ${executionId} ${stepId}\n`);
    await delay(ms, undefined, { signal });
    writeSync(file, `f ${executionId} ${stepId}\n`);
    return output;
  },
});

export function main(): Promise<void> {
  const file = openSync(process.env['BENCH_LEDGER'] ?? 'ledger', 'a');
  return runService({
    name: 'step-runner',
    load: loadStepRunnerSettings,
    start: (options) => startStepRunner({ ...options, agents: [ledgerAgent(file)] }),
  });
}
