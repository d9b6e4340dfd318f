import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { call } from './ipc.js';
import { columns, spread, throughputTable } from './table.js';
import { ThroughputBench } from './throughput.js';
import type { ThroughputRound } from './throughput.js';

const PROGRAM = fileURLToPath(new URL('./trace-sink-process.js', import.meta.url));
const IN_FLIGHT = 64;

interface Taken {
  readonly requests: number;
  readonly bytes: number;
}

interface TracingBenchOptions {
  readonly layout: string;
  readonly rounds: number;
  readonly version: string;
  readonly executions: number | undefined;
  readonly print: (line: object) => void;
  /** Gets functions that stop what was started. The last one started must be stopped first. */
  readonly onEnd: (stop: () => Promise<void>) => void;
}

/**
 * Measures the cost of tracing: W2 with 64 in flight on four platforms in turn, in another order in each round. Two
 * have no tracing settings, so that their difference shows the noise of the machine. One has a collector's address and
 * OTEL_SDK_DISABLED. One exports every span to a collector that accepts everything.
 */
export async function runTracing(options: TracingBenchOptions): Promise<void> {
  const sink = fork(PROGRAM, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  options.onEnd(() => {
    sink.kill();
    return Promise.resolve();
  });
  const port = await call<number>(sink, 'listen');
  const address = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` };
  const variants: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
    ['not configured', {}],
    ['not configured, again', {}],
    ['disabled', { ...address, OTEL_SDK_DISABLED: 'true' }],
    ['on', address],
  ];
  const { layout, version } = options;
  const benches = variants.map(([name, env]) => {
    const bench = new ThroughputBench({ layout, version, name, env });
    options.onEnd(() => bench.end());
    return bench;
  });
  const rounds: ThroughputRound[] = [];
  let taken: Taken = { requests: 0, bytes: 0 };
  for (let round = 0; round < options.rounds; round += 1) {
    const first = round % benches.length;
    for (const bench of [...benches.slice(first), ...benches.slice(0, first)]) {
      const line = await bench.round({ work: 'W2', inFlight: IN_FLIGHT, executions: options.executions });
      rounds.push(line);
      options.print(line);
      taken = await settled(sink);
    }
  }
  options.print({ work: 'tracing', collector: taken });
  if (taken.requests === 0) throw new Error('nothing was exported: tracing was not on');
  console.log(`\n${throughputTable(rounds)}\n\n${comparison(rounds)}`);
}

/**
 * The collector's counts after a second without new spans. Spans arrive after their executions, and must not be counted
 * in the next round.
 */
async function settled(sink: ChildProcess): Promise<Taken> {
  for (let before = await call<Taken>(sink, 'taken'); ;) {
    await delay(1_000);
    const now = await call<Taken>(sink, 'taken');
    if (now.requests === before.requests) return now;
    before = now;
  }
}

/** The CPU time and throughput of each round, relative to the same round without tracing settings. */
function comparison(rounds: readonly ThroughputRound[]): string {
  const [base = '', ...others] = [...new Set(rounds.map(({ peer }) => peer))];
  const of = (peer: string): ThroughputRound[] => rounds.filter((round) => round.peer === peer);
  const rows = others.map((peer) => {
    const pairs = of(peer).flatMap((line) => {
      const other = of(base).find(({ round }) => round === line.round);
      return other === undefined ? [] : [{ line, other }];
    });
    const shares = (measure: (round: ThroughputRound) => number): string =>
      spread(
        pairs.map(({ line, other }) => (measure(line) / measure(other)) * 100),
        1,
      );
    return [peer, shares((round) => round.cpu_s_per_1000_steps), shares((round) => round.steps_per_s)];
  });
  return columns([`% of "${base}", round by round`, 'CPU a step', 'steps/s'], rows);
}
