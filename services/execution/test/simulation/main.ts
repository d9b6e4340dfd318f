import { parseArgs } from 'node:util';
import { simulate } from './simulation.js';
import type { SimulationResult } from './simulation.js';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    /** With `--seed`: the whole timeline, even when no rule is broken. */
    trace: { type: 'boolean', default: false },
    /** Print which seed breaks which rule, without its timeline. */
    quiet: { type: 'boolean', default: false },
    /** Continue after a failure, and print at most this many. */
    failures: { type: 'string', default: '1' },
  },
});

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function print(result: SimulationResult): void {
  if (values.trace || result.violation !== undefined) for (const line of result.timeline) say(line);
  if (result.violation === undefined) say(`seed ${result.seed}: ${result.events} events, no rule broken`);
  else say(`seed ${result.seed}: broken: ${result.violation.rule}\n  ${result.violation.message}`);
}

async function one(seed: number): Promise<void> {
  const result = await simulate(seed, true);
  print(result);
  if (result.violation !== undefined) process.exitCode = 1;
}

async function many(from: number, count: number, most: number): Promise<void> {
  const began = performance.now();
  let events = 0;
  let failed = 0;
  let told = began;
  let seed = from;
  for (; seed < from + count && failed < most; seed++) {
    const result = await simulate(seed);
    events += result.events;
    if (result.violation !== undefined) {
      failed += 1;
      if (most === 1 && !values.quiet) print(await simulate(seed, true));
      else say(`seed ${seed}: broken: ${result.violation.rule}: ${result.violation.message.split('\n')[0]}`);
    }
    if (performance.now() - told > 10_000) {
      told = performance.now();
      say(`${seed - from + 1} seeds, ${(((seed - from + 1) * 1_000) / (told - began)).toFixed(0)} a second`);
    }
  }
  const seconds = (performance.now() - began) / 1_000;
  const ran = seed - from;
  say(`${ran} seeds, ${events} events, ${(ran / seconds).toFixed(0)} seeds a second, ${failed} broken`);
  if (failed > 0) process.exitCode = 1;
}

if (values.seed === undefined) await many(Number(values.from), Number(values.seeds), Number(values.failures));
else await one(Number(values.seed));
