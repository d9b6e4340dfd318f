import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { DEFAULT_LAYOUT } from '@batuta/standalone';
import { runBackoff } from './backoff.js';
import { runCrashes } from './crash.js';
import { runFair } from './fair.js';
import { runLaunch } from './launch.js';
import { runNotifications } from './notifications.js';
import { PEERS, PeerBench } from './peers.js';
import { runReplay } from './replay.js';
import { runSmoke } from './smoke.js';
import { columns, processTable, throughputTable } from './table.js';
import { ThroughputBench, profileDirectory, profilingEnvironment } from './throughput.js';
import type { RoundRequest, ThroughputRound, ThroughputWork } from './throughput.js';
import { runStream } from './stream.js';
import { runTracing } from './tracing.js';
import { runWatchers } from './watchers.js';

const USAGE = `npm run bench -- [--work W1,W2,…] [--rounds N] [--peers [names]] [--layout L] [--profile] [--smoke]
  --work W1..W8      what to run (default: W1,W2,W3); notifications: inbox and fallback to email;
                     tracing: what it costs on, off and not configured;
                     stream: partial output of 100 models; ends with code 1 when p95 is over 50 ms
                     fair: a quiet tenant alone and beside a hostile one; ends with code 1 over twice its p95
  --rounds N         measured rounds of each (default 5)
  --in-flight N      executions at a time (default: 64 and 256 for W2, the work's own for others)
  --executions N     executions a round      --warm-up N   executions before the first round
  --peers            also BullMQ, BullMQ in one job, DBOS and Restate, round by round in turn; or some: --peer bullmq --peer dbos
  --layout L         processes of the platform, as BATUTA_LAYOUT; repeat it to compare several in one run
  --profile          CPU profile of one round of a work (default W2 with 64 in flight), for each process of the platform
  --smoke            counts only, checked against their budgets, in under a minute`;

const { values: flags } = parseArgs({
  options: {
    work: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    'in-flight': { type: 'string' },
    executions: { type: 'string' },
    'warm-up': { type: 'string' },
    peers: { type: 'boolean', default: false },
    peer: { type: 'string', multiple: true },
    layout: { type: 'string', multiple: true },
    profile: { type: 'boolean', default: false },
    smoke: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

function count(name: 'rounds' | 'in-flight' | 'executions' | 'warm-up'): number | undefined {
  const text = flags[name];
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) throw new Error(`--${name} must be a count, not ${text}`);
  return Number(text);
}

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
const layouts = flags.layout ?? [process.env['BATUTA_LAYOUT'] ?? DEFAULT_LAYOUT];
/** Each service in its own process. */
const SEPARATE = 'gateway|config|execution|notifications|step-runner';
const ends: (() => Promise<void>)[] = [];

async function end(): Promise<void> {
  for (let next = ends.pop(); next !== undefined; next = ends.pop()) await next();
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function benchOf(layout: string, env: Record<string, string>): ThroughputBench {
  const name = layouts.length === 1 ? 'batuta' : `batuta ${layout}`;
  const bench = new ThroughputBench({ layout, env, name, version });
  ends.push(() => bench.end());
  return bench;
}

function requestsOf(works: readonly string[]): RoundRequest[] {
  return works.flatMap((work) => {
    if (work !== 'W1' && work !== 'W2' && work !== 'W3') return [];
    const chosen = count('in-flight');
    const inFlights = chosen === undefined && work === 'W2' ? [64, 256] : [chosen];
    return inFlights.map((inFlight) => ({
      work: work as ThroughputWork,
      inFlight,
      executions: count('executions'),
      warmUp: count('warm-up'),
    }));
  });
}

async function runThroughput(works: readonly string[]): Promise<void> {
  const requests = requestsOf(works);
  if (requests.length === 0) return;
  const rounds: ThroughputRound[] = [];
  const names = flags.peer ?? (flags.peers ? PEERS : []);
  const benches = layouts.map((layout) => benchOf(layout, {}));
  const peers = names.map((name) => {
    const peer = new PeerBench(name);
    ends.push(() => peer.end());
    return peer;
  });
  for (const request of requests) {
    for (let round = count('rounds') ?? 5; round > 0; round -= 1) {
      for (const engine of [...benches, ...peers]) {
        const line = await engine.round(request);
        if (line === undefined) continue;
        rounds.push(line);
        print(line);
      }
    }
  }
  console.log(`\n${processTable(rounds)}\n\n${throughputTable(rounds)}`);
}

/**
 * Works that are not rounds of executions and print their own lines. Peers run W4 and W5 by themselves, see
 * bench/peers.
 */
async function runOthers(works: readonly string[]): Promise<void> {
  const layout = layouts[0] ?? DEFAULT_LAYOUT;
  const size = count('executions');
  if (works.includes('W4')) await runLaunch(layout, count('rounds') ?? 5, print);
  if (works.includes('W5')) {
    console.log(`\n${await runCrashes({ executions: size, rounds: count('rounds') ?? 5, print })}`);
  }
  if (works.includes('W6')) for (const clients of [1_000, 10_000]) await runWatchers(layout, clients, print);
  if (works.includes('W7')) await runBackoff(size ?? 100_000, print);
  if (works.includes('W8')) await runReplay(layout, size ?? 1_000_000, print);
  if (works.includes('stream') && !(await runStream(layout, print))) process.exitCode = 1;
  if (works.includes('fair')) {
    const fair = await runFair({
      layout,
      rounds: count('rounds') ?? 5,
      executions: size,
      print,
      onEnd: (stop) => ends.push(stop),
    });
    if (!fair) process.exitCode = 1;
    await end();
  }
  if (works.includes('tracing')) {
    const rounds = count('rounds') ?? 5;
    await runTracing({ layout, rounds, version, executions: size, print, onEnd: (stop) => ends.push(stop) });
  }
  if (works.includes('notifications')) {
    // One process per service, so that the notifications service's share of the CPU can be measured.
    await runNotifications(flags.layout === undefined ? SEPARATE : layout, count('rounds') ?? 5, print, (stop) =>
      ends.push(stop),
    );
  }
  if (flags.peers || flags.peer !== undefined) {
    for (const work of ['W4', 'W5'] as const) {
      if (!works.includes(work)) continue;
      for (const name of flags.peer ?? PEERS) {
        const peer = new PeerBench(name);
        ends.push(() => peer.end());
        print((await peer.round({ work })) ?? {});
        await peer.end();
      }
    }
  }
}

async function runProfile(): Promise<void> {
  const bench = benchOf(layouts[0] ?? DEFAULT_LAYOUT, profilingEnvironment());
  ends.unshift(() => rm(profileDirectory(), { recursive: true, force: true }));
  const [request = { work: 'W2', inFlight: 64 } as const] = requestsOf([flags.work ?? 'W2']);
  const { round, profiles } = await bench.profile(request);
  print(round);
  for (const [name, { busyMs, byFunction, byPackage }] of Object.entries(profiles)) {
    const perStep = (ms: number): string => ((ms / round.steps) * 1000).toFixed(1);
    const rows = (list: typeof byFunction, most: number): string[][] =>
      list
        .slice(0, most)
        .map(({ where, ms, share }) => [where, ms.toFixed(0), perStep(ms), `${(share * 100).toFixed(1)} %`]);
    console.log(`\n${name}: busy ${busyMs.toFixed(0)} ms in ${(round.seconds * 1000).toFixed(0)} ms`);
    console.log(columns(['self time by package', 'ms', 'µs a step', 'share'], rows(byPackage, 14)));
    console.log(columns(['self time by function', 'ms', 'µs a step', 'share'], rows(byFunction, 30)));
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void end().finally(() => process.exit(1));
  });
}
try {
  if (flags.help) {
    console.log(USAGE);
  } else if (flags.smoke) {
    if (!(await runSmoke(layouts[0] ?? DEFAULT_LAYOUT))) process.exitCode = 1;
  } else if (flags.profile) {
    await runProfile();
  } else {
    const works = (flags.work ?? 'W1,W2,W3').split(',');
    const unknown = works.filter((work) => !/^(W[1-8]|notifications|tracing|fair|stream)$/.test(work));
    if (unknown.length > 0) throw new Error(`unknown work ${unknown.join(', ')}\n${USAGE}`);
    await runThroughput(works);
    await runOthers(works);
  }
} finally {
  await end();
}
