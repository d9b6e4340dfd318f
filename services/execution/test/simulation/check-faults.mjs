// Puts each deliberate fault of faults.mjs into the engine and runs its seed; `--find` looks for the first seed that finds it.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { faults } from './faults.mjs';

const { values } = parseArgs({
  options: {
    find: { type: 'boolean', default: false },
    /** How many seeds a search tries. */
    seeds: { type: 'string', default: '20000' },
    /** Only faults whose name holds this. */
    only: { type: 'string', default: '' },
  },
});

const here = import.meta.dirname;
const root = join(here, '../../../..');

/** Runs seeds with the fault in; resolves to what was found. */
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

let missed = 0;
for (const fault of faults.filter(({ name }) => name.includes(values.only))) {
  const found = values.find ? await run(fault, 1, Number(values.seeds)) : await run(fault, fault.seed, 1);
  if (found === undefined) missed += 1;
  const by = found === undefined ? 'NOT FOUND' : `seed ${found.seed}: ${found.rule}`;
  process.stdout.write(`${fault.name.padEnd(48)} ${by}\n`);
}
process.stdout.write(`${missed === 0 ? 'every fault is found' : `${missed} faults are not found`}\n`);
process.exitCode = missed === 0 ? 0 : 1;
