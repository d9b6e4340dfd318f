import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { Processes } from './harness/processes.mjs';
import { Rounds } from './harness/rounds.mjs';

/**
 * An engine to compare with.
 *
 * @typedef {object} Peer
 * @property {string} name
 * @property {string} server name of its server process
 * @property {string} worker module of its worker process
 * @property {string} client module that connects the client process to it
 * @property {string[]} works what it can run
 * @property {() => { peer_version: string, server_version: string }} versions
 * @property {(directory: string) => Promise<Record<string, unknown> & { entry_port: number }>} prepare makes the store's files
 *   and chooses ports; `entry_port` is the one that the client talks to
 * @property {(settings: any, directory: string) => string[]} serverCommand
 * @property {(settings: any) => Record<string, string>} [serverEnvironment]
 */

/** The best values on two cores. README.md lists what was tried. */
const TUNING = { concurrency: 64, pool_size: 20, partitions: 4 };
// All waiting steps must be able to run at the same time. After a crash, Restate reads the logs of its partitions in
// parallel.
const TUNING_W5 = { ...TUNING, concurrency: 512, partitions: 24 };
// Loaded when chosen, so that a machine without a binary of one engine can run the others.
/** @type {Record<string, { load: () => Promise<Peer>, tuning: (keyof typeof TUNING)[] }>} */
const PEERS = {
  bullmq: { load: async () => (await import('./bullmq/peer.mjs')).bullmq('flow'), tuning: ['concurrency'] },
  'bullmq-single': { load: async () => (await import('./bullmq/peer.mjs')).bullmq('single'), tuning: ['concurrency'] },
  dbos: { load: async () => (await import('./dbos/peer.mjs')).dbos, tuning: ['pool_size'] },
  restate: { load: async () => (await import('./restate/peer.mjs')).restate, tuning: ['partitions'] },
};
const USAGE = `node run.mjs --peer ${Object.keys(PEERS).join('|')} (--work W1|W2|W3|W4|W5 | --serve)
  --in-flight N   executions at a time     --executions N   executions a round     --rounds N
  --warm-up N     executions before        --step-ms N      W5: length of a step
  --concurrency N (BullMQ) --pool-size N (DBOS) --partitions N (Restate)
  --serve         read {"work":"W2","in_flight":64} lines from standard input, one measured round each`;

const { values: flags } = parseArgs({
  options: {
    peer: { type: 'string' },
    work: { type: 'string' },
    serve: { type: 'boolean', default: false },
    'in-flight': { type: 'string' },
    executions: { type: 'string' },
    rounds: { type: 'string', default: '1' },
    'warm-up': { type: 'string' },
    'step-ms': { type: 'string' },
    concurrency: { type: 'string' },
    'pool-size': { type: 'string' },
    partitions: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const chosen = flags.peer === undefined ? undefined : PEERS[flags.peer];
if (flags.help || chosen === undefined || flags.serve === (flags.work !== undefined)) {
  console.error(USAGE);
  process.exit(flags.help ? 0 : 2);
}

const processes = new Processes();
const given = { concurrency: flags.concurrency, pool_size: flags['pool-size'], partitions: flags.partitions };
const rounds = new Rounds(processes, await chosen.load(), (work) => {
  const best = work === 'W5' ? TUNING_W5 : TUNING;
  return Object.fromEntries(chosen.tuning.map((name) => [name, count(given[name]) ?? best[name]]));
});

/** @type {Promise<void> | undefined} */
let ending;
function end() {
  ending ??= (async () => {
    try {
      await rounds.end();
    } finally {
      await processes.stopAll();
    }
  })();
  return ending;
}
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.once(signal, () => {
    console.error(`${signal}: stopping`);
    for (const tail of rounds.logTails()) console.error(tail);
    void end().finally(() => process.exit(128 + { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }[signal]));
  });
}
/** @param {unknown} error */
async function crash(error) {
  if (ending !== undefined) return; // what fails while we stop is a consequence of it
  report(error);
  await end().finally(() => process.exit(1));
}
process.on('uncaughtException', (error) => void crash(error));
process.on('unhandledRejection', (error) => void crash(error));
// The reader of the output has gone.
process.stdout.on('error', (error) => void crash(error));

try {
  if (flags.serve) await serve();
  else await roundsOfOneWork();
  await end();
} catch (error) {
  await crash(error);
}

async function roundsOfOneWork() {
  const request = {
    work: /** @type {string} */ (flags.work),
    in_flight: count(flags['in-flight']),
    executions: count(flags.executions),
    warm_up: count(flags['warm-up']),
    step_ms: count(flags['step-ms']),
  };
  for (let round = count(flags.rounds) ?? 1; round > 0; round--) print(await rounds.run(request));
}

async function serve() {
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() === '') continue;
    /** @type {unknown} */
    let request;
    try {
      request = JSON.parse(line);
      print(await rounds.run(/** @type {import('./harness/rounds.mjs').RoundRequest} */ (request)));
    } catch (error) {
      if (ending !== undefined) return;
      // The requester waits for one line. Another work may still run.
      report(error);
      print({
        peer: flags.peer,
        request: request ?? line,
        error: error instanceof Error ? error.message : String(error),
      });
    }
  }
}

/** @param {unknown} error */
function report(error) {
  console.error(error);
  for (const tail of rounds.logTails()) console.error(tail);
}

/** @param {object} line */
function print(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** @param {string | undefined} text */
function count(text) {
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) throw new Error(`not a count: ${text}`);
  return Number(text);
}
