import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Load, LoadResult } from './client-process.js';
import { startClient } from './deployment.js';
import { call } from './ipc.js';
import { groupBy, peakMemory, rounded } from './measure.js';
import { SERVICE_NAMES, ServiceProcesses } from './service-processes.js';
import type { BenchService } from './service-processes.js';
import { columns, spread } from './table.js';
import { WORKLOADS, configOf } from './workload.js';

const CRASH_LIMIT_MS = 240_000;
type Victim = BenchService | 'nats-server' | 'postgres';
const VICTIMS: readonly Victim[] = [...SERVICE_NAMES, 'nats-server', 'postgres'];

/** Counts of runs in a ledger after a given moment. bench/peers/README.md explains the two counts. */
interface LedgerCounts {
  readonly steps_finished: number;
  readonly finished_steps_run_again: number;
  readonly unfinished_steps_run_again: number;
}

/** Counts the ledger's lines from byte `from` on. */
function readLedger(path: string, from: number): LedgerCounts {
  const finished = new Set<string>();
  const begun = new Set<string>();
  let finishedAgain = 0;
  let unfinishedAgain = 0;
  const text = existsSync(path) ? readFileSync(path, 'utf8').slice(from) : '';
  // The last line may be incomplete when its writer was killed, so only whole lines count.
  for (const line of text.split('\n').slice(0, -1)) {
    const key = line.slice(2);
    if (line.startsWith('f')) finished.add(key);
    else if (finished.has(key)) finishedAgain += 1;
    else if (begun.has(key)) unfinishedAgain += 1;
    else begun.add(key);
  }
  return {
    steps_finished: finished.size,
    finished_steps_run_again: finishedAgain,
    unfinished_steps_run_again: unfinishedAgain,
  };
}

/** Number of steps with two outcomes in the log. The engine promises that there are none. */
async function recordedTwice(databaseUrl: string): Promise<number> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ again: string }>(
      `SELECT count(*) AS again FROM (
         SELECT execution_id, data->>'stepId' FROM execution.events WHERE type = 'StepCompleted'
         GROUP BY 1, 2 HAVING count(*) > 1) AS twice`,
    );
    return Number(rows[0]?.again);
  } finally {
    await client.end();
  }
}

interface CrashRun extends LedgerCounts {
  readonly killed?: Victim;
  readonly killed_at_ms?: number;
  readonly ms_to_all_done: number;
  readonly outcomes_recorded_twice: number;
  readonly client_retries: number;
  readonly peak_rss_mb: Readonly<Record<string, number>>;
}

async function crashOnce(victim: Victim | undefined, executions: number, warmUp: number): Promise<CrashRun> {
  const { shape } = WORKLOADS.W5;
  const platform = await ServiceProcesses.start();
  const client: ChildProcess = startClient();
  try {
    await call(client, 'connect', { url: platform.url, keyFile: platform.keyFile });
    const api = platform.api();
    await api.agents.put('bench_ledger', { pool: 'default' });
    const run = (config: string, of: typeof shape, count: number, prefix: string): Promise<LoadResult> =>
      call<LoadResult>(client, 'run', {
        config,
        shape: of,
        executions: count,
        inFlight: count,
        prefix,
        retryMs: CRASH_LIMIT_MS,
      } satisfies Load);
    const warm = { ...shape, stepMs: 1 };
    await api.configs.create(configOf('warm', warm));
    await api.configs.create(configOf('crash', shape));
    if (warmUp > 0) await run('warm', warm, warmUp, 'warm');
    const from = existsSync(platform.ledger) ? readFileSync(platform.ledger).length : 0;
    const steps = executions * shape.steps;
    const began = performance.now();
    const running = run('crash', shape, executions, 'crash');
    running.catch(() => undefined); // Reported by the await below.
    let killedAt: number | undefined;
    if (victim !== undefined) {
      while (readLedger(platform.ledger, from).steps_finished < steps / 2) await delay(5);
      killedAt = performance.now() - began;
      if (victim === 'nats-server') {
        await platform.stack.nats?.kill();
        await platform.stack.nats?.start();
      } else if (victim === 'postgres') {
        await platform.stack.postgres?.kill();
        await platform.stack.postgres?.start();
      } else {
        await platform.killAndRestart(victim);
      }
    }
    const result = await running;
    return {
      ...(victim === undefined ? {} : { killed: victim, killed_at_ms: rounded(killedAt ?? 0, 0) }),
      ms_to_all_done: rounded(result.seconds * 1000, 0),
      ...readLedger(platform.ledger, from),
      outcomes_recorded_twice: await recordedTwice(platform.stack.databaseUrl),
      client_retries: result.retries,
      peak_rss_mb: peakMemory(platform.pids),
    };
  } finally {
    client.kill();
    await platform.remove();
  }
}

interface CrashOptions {
  readonly executions?: number | undefined;
  readonly rounds: number;
  readonly print: (line: object) => void;
}

/**
 * W5: rounds of an undisturbed run, and one run for each process that is killed, each with its own store. Returns a
 * table with medians, lowest and highest values.
 */
export async function runCrashes({
  executions = WORKLOADS.W5.executions,
  rounds,
  print,
}: CrashOptions): Promise<string> {
  const { warmUp } = WORKLOADS.W5;
  const base = { peer: 'batuta', work: 'W5', in_flight: executions, executions, steps: executions * 5 };
  const runs: CrashRun[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    for (const victim of [undefined, ...VICTIMS]) {
      const run = await crashOnce(victim, executions, warmUp);
      runs.push(run);
      print({ ...base, round, ...(victim === undefined ? { undisturbed: run } : { kill: run }) });
    }
  }
  const rows = [...groupBy(runs, ({ killed }) => killed ?? 'undisturbed')].map(([killed, all]) => [
    killed,
    String(all.length),
    ...(
      ['ms_to_all_done', 'finished_steps_run_again', 'unfinished_steps_run_again', 'outcomes_recorded_twice'] as const
    ).map((field) =>
      spread(
        all.map((run) => run[field]),
        0,
      ),
    ),
  ]);
  const headings = ['killed', 'rounds', 'ms to all done', 'finished steps again', 'unfinished again', 'recorded twice'];
  return columns(headings, rows);
}
