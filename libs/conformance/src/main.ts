// Runs a worker in any language against the checks of docs/worker-protocol.md:
//   npm run conformance -- --command "node worker.mjs" [--pool conformance]
import { parseArgs } from 'node:util';
import { runConformance } from './run-conformance.js';

const print = (line: string): void => void process.stdout.write(`${line}\n`);

const { command, pool } = parseArgs({ options: { command: { type: 'string' }, pool: { type: 'string' } } }).values;
if (command === undefined) {
  print('Say how the worker is started: npm run conformance -- --command "node worker.mjs"');
  process.exit(2);
}
const marks = { passed: 'passed ', failed: 'FAILED ', absent: 'not done' } as const;
const { passed, results, output } = await runConformance({
  command,
  ...(pool === undefined ? {} : { pool }),
  onCheck: ({ name, says, outcome, reason }) =>
    print(`${marks[outcome]}  ${name}: ${says}${reason === undefined ? '' : `\n           ${reason}`}`),
});
const count = (wanted: string): number => results.filter(({ outcome }) => outcome === wanted).length;
if (!passed) print(`\nThe newest of what the worker wrote:\n${output}`);
print(
  `\n${count('passed')} passed, ${count('failed')} failed, ${count('absent')} not done (a worker may leave them out)`,
);
process.exitCode = passed ? 0 : 1;
