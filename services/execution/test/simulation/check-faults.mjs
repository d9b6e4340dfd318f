// Puts each deliberate fault of faults.mjs into the engine and runs its seed. `--find` looks for the first seed that
// finds it.
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { faults } from './faults.mjs';

const { values } = parseArgs({
  options: {
    find: { type: 'boolean', default: false },
    /** How many seeds a search tries. */
    seeds: { type: 'string', default: '20000' },
    /** Only faults whose name contains this. */
    only: { type: 'string', default: '' },
  },
});

const here = import.meta.dirname;
const root = join(here, '../../../..');

/** Runs seeds with the fault. Resolves to the result. */
function run(fault, from, seeds) {
  const args = ['-C', 'batuta-source', '--import', join(here, 'register.mjs'), join(here, 'main.ts')];
  const child = spawn(process.execPath, [...args, '--from', String(from), '--seeds', String(seeds), '--quiet'], {
    cwd: root,
    env: { ...process.env, SIMULATION_FAULT: JSON.stringify(fault.patches) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (errors += chunk));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => {
      const found = /^seed (\d+): broken: ([^:]+)/m.exec(output);
      if (found !== null) resolve({ seed: Number(found[1]), rule: found[2].split('\n')[0] });
      else if (/seeds a second, 0 broken/.test(output)) resolve(undefined);
      else reject(new Error(`${fault.name}: ${errors || output}`));
    });
  });
}

const chosen = faults.filter(({ name }) => name.includes(values.only));
const results = [];
let next = 0;
async function worker() {
  for (let index = next++; index < chosen.length; index = next++) {
    const fault = chosen[index];
    if (fault.seed === undefined && !values.find) continue;
    results[index] = values.find ? await run(fault, 1, Number(values.seeds)) : await run(fault, fault.seed, 1);
  }
}
await Promise.all(Array.from({ length: availableParallelism() }, worker));
const skipped = chosen.filter(({ seed }) => seed === undefined && !values.find);
for (const [index, fault] of chosen.entries()) {
  const found = results[index];
  const missing = skipped.includes(fault) ? 'SKIPPED: no seed is known' : 'NOT FOUND';
  process.stdout.write(
    `${fault.name.padEnd(48)} ${found === undefined ? missing : `seed ${found.seed}: ${found.rule}`}\n`,
  );
}
const missed = chosen.filter((fault, index) => results[index] === undefined && !skipped.includes(fault)).length;
const verdict = missed === 0 ? 'every fault is found' : `${missed} faults are not found`;
process.stdout.write(`${verdict}${skipped.length === 0 ? '' : `, ${skipped.length} skipped`}\n`);
process.exitCode = missed === 0 ? 0 : 1;
