import { openSync, readFileSync, writeSync } from 'node:fs';
import { pause, stepOutput } from './workload.mjs';

/**
 * The body of a step, the same for every peer. A step that takes time writes down that it began and that it finished, in an
 * append-only file outside the engine, which survives the kill of the process that wrote it.
 *
 * @param {string} ledger path
 */
export function stepRunner(ledger) {
  const file = openSync(ledger, 'a');
  /** @param {string} execution @param {number} step @param {number} ms */
  return async (execution, step, ms) => {
    if (ms > 0) {
      writeSync(file, `b ${execution} ${step}\n`);
      await pause(ms);
      writeSync(file, `f ${execution} ${step}\n`);
    }
    return stepOutput(step);
  };
}

/**
 * Counts what a ledger says about the executions whose id starts with `prefix`.
 *
 * `finished_steps_run_again`: runs that began although the same step had finished before. `unfinished_steps_run_again`: runs
 * that began although the same step had begun, but not finished, before.
 *
 * @param {string} path @param {string} prefix
 */
export function readLedger(path, prefix) {
  const finished = new Set();
  const begun = new Set();
  let finishedRunAgain = 0;
  let unfinishedRunAgain = 0;
  // The last line may be incomplete when its writer was killed, so only whole lines count.
  for (const line of readFileSync(path, 'utf8').split('\n').slice(0, -1)) {
    const key = line.slice(2);
    if (!key.startsWith(prefix)) continue;
    if (line.startsWith('f')) finished.add(key);
    else if (finished.has(key)) finishedRunAgain += 1;
    else if (begun.has(key)) unfinishedRunAgain += 1;
    else begun.add(key);
  }
  return {
    steps_finished: finished.size,
    finished_steps_run_again: finishedRunAgain,
    unfinished_steps_run_again: unfinishedRunAgain,
  };
}
