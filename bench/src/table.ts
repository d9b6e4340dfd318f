import { groupBy, median, rounded } from './measure.js';
import type { ThroughputRound } from './throughput.js';

/** Columns of text under headings. Numbers are aligned to the right. */
export function columns(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headings.map((heading, index) =>
    Math.max(heading.length, ...rows.map((row) => row[index]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, index) => (index === 0 ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0)))
      .join('  ')
      .trimEnd();
  return [line(headings), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

/** The median, with the lowest and highest value. */
export function spread(values: readonly number[], digits: number): string {
  const show = (value: number): string =>
    rounded(value, digits).toLocaleString('en', { maximumFractionDigits: digits });
  return `${show(median(values))} (${show(Math.min(...values))}–${show(Math.max(...values))})`;
}

/** Required ratios to BullMQ's flows in the same run. `most`: lower is better. `least`: higher is better. */
const FLOORS: Readonly<Record<string, { least?: number; most?: number }>> = {
  'W1/1 p50': { most: 1 },
  'W2/64 steps/s': { least: 1.6 },
  'W2/256 steps/s': { least: 2.1 },
  'W2/64 cpu': { most: 0.8 },
  'W2/256 cpu': { most: 0.8 },
  'W3/100 steps/s': { least: 2.2 },
};

const MEASURES: Readonly<Record<string, (round: ThroughputRound) => number>> = {
  p50: (round) => round.latency_ms.p50,
  'steps/s': (round) => round.steps_per_s,
  cpu: (round) => round.cpu_s_per_1000_steps,
};

/** The table at the end of a run: a row for each engine and work, and the required ratios. */
export function throughputTable(rounds: readonly ThroughputRound[]): string {
  const groups = groupBy(rounds, (round) => `${round.work}/${round.in_flight}`);
  const rows: string[][] = [];
  const ratios: string[] = [];
  for (const [work, ofWork] of groups) {
    const byPeer = groupBy(ofWork, (round) => round.peer);
    const flows = byPeer.get('bullmq');
    for (const [peer, ofPeer] of byPeer) {
      const all = (measure: (round: ThroughputRound) => number): number[] => ofPeer.map(measure);
      rows.push([
        `${work} ${peer}`,
        String(ofPeer.length),
        spread(
          all((round) => round.steps_per_s),
          0,
        ),
        spread(
          all((round) => round.executions_per_s),
          0,
        ),
        spread(
          all((round) => round.latency_ms.p50),
          1,
        ),
        spread(
          all((round) => round.latency_ms.p95),
          1,
        ),
        spread(
          all((round) => round.latency_ms.p99),
          1,
        ),
        spread(
          all((round) => round.cpu_s_per_1000_steps),
          3,
        ),
      ]);
      if (flows === undefined || !peer.startsWith('batuta')) continue;
      for (const [name, measure] of Object.entries(MEASURES)) {
        const floor = FLOORS[`${work} ${name}`];
        if (floor === undefined) continue;
        const others = flows.map(measure);
        // Each round is compared with the neighbouring round of the other engine, so that common effects of the machine
        // cancel out.
        const pairs = all(measure).map((value, round) => value / (others[round] ?? Number.NaN));
        const ratio = median(pairs);
        const holds = ratio >= (floor.least ?? -Infinity) && ratio <= (floor.most ?? Infinity);
        const wanted = floor.least === undefined ? `at most ${floor.most}` : `at least ${floor.least}`;
        ratios.push(
          `${peer}: ${work} ${name} is ${spread(pairs, 2)} × BullMQ flows, ${wanted} wanted: ${holds ? 'holds' : 'MISSED'}`,
        );
      }
    }
  }
  const table = columns(
    ['work', 'rounds', 'steps/s', 'executions/s', 'p50 ms', 'p95 ms', 'p99 ms', 'CPU s/1,000 steps'],
    rows,
  );
  return [table, '', ...ratios].join('\n').trimEnd();
}

/** CPU time and memory by process, for the last group of rounds of each work. */
export function processTable(rounds: readonly ThroughputRound[]): string {
  const rows: string[][] = [];
  for (const [work, ofWork] of groupBy(rounds, (round) => `${round.work}/${round.in_flight} ${round.peer}`)) {
    for (const name of Object.keys(ofWork[0]?.cpu_by_process ?? {})) {
      rows.push([
        `${work}: ${name}`,
        spread(
          ofWork.map((round) => round.cpu_by_process[name] ?? 0),
          3,
        ),
        Math.max(...ofWork.map((round) => round.peak_rss_mb[name] ?? 0)).toFixed(0),
      ]);
    }
  }
  return columns(['process', 'CPU s/1,000 steps', 'peak MiB'], rows);
}
