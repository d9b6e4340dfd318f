import type { OrchestrationDefinition } from '@batuta/client';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { peakMemory, quantiles, rounded } from './measure.js';
import { ServiceProcesses } from './service-processes.js';

const DUE = 1_000;
const DUE_BACKOFF_MS = 10_000;
const IN_FLIGHT = 128;
const LIMIT_MS = 600_000;

const configOf = (name: string, backoffMs: number, times: number): OrchestrationDefinition => ({
  name,
  strategy: 'sequential',
  steps: [
    {
      id: 'flaky',
      name: 'Flaky',
      agent: 'fail',
      input: { times },
      retry: { max_attempts: 2, backoff_ms: backoffMs, max_backoff_ms: backoffMs, jitter: 'none' },
    },
  ],
});

/** W7: executions wait in the backoff of a retry, and their owner is killed. Measures when due executions continue. */
export async function runBackoff(waiting: number, print: (line: object) => void): Promise<void> {
  const platform = await ServiceProcesses.start();
  const database = new pg.Client({ connectionString: platform.stack.databaseUrl });
  try {
    await database.connect();
    const api = platform.api();
    await api.configs.create(configOf('waits', 3_600_000, 1));
    await api.configs.create(configOf('due', DUE_BACKOFF_MS, 1));
    const start = async (config: string, executions: number): Promise<void> => {
      let next = 0;
      const lane = async (): Promise<void> => {
        while (next < executions) {
          next += 1;
          await api.executions.start(config);
        }
      };
      await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
    };
    const count = async (type: string): Promise<number> => {
      const { rows } = await database.query<{ n: string }>(
        'SELECT count(*) AS n FROM execution.events WHERE type = $1',
        [type],
      );
      return Number(rows[0]?.n);
    };
    const until = async (type: string, wanted: number): Promise<void> => {
      const giveUp = performance.now() + LIMIT_MS;
      while ((await count(type)) < wanted) {
        if (performance.now() > giveUp) throw new Error(`${await count(type)} of ${wanted} ${type}`);
        await delay(50);
      }
    };
    const began = performance.now();
    await start('waits', waiting);
    await until('StepAttemptFailed', waiting);
    const madeMs = performance.now() - began;
    await start('due', DUE);
    await until('StepAttemptFailed', waiting + DUE);
    const before = peakMemory(platform.pids);
    const killed = performance.now();
    await platform.killAndRestart('execution');
    await api.executions.start('waits');
    const takeoverMs = performance.now() - killed;
    await until('ExecutionCompleted', DUE);
    const allFiredMs = performance.now() - killed;
    const { rows } = await database.query<{ late: string }>(
      `SELECT done.at - (failed.at + $1) AS late FROM execution.events done
         JOIN execution.events failed USING (execution_id)
        WHERE done.type = 'ExecutionCompleted' AND failed.type = 'StepAttemptFailed'`,
      [DUE_BACKOFF_MS],
    );
    print({
      peer: 'batuta',
      work: 'W7',
      waiting,
      made_ms: rounded(madeMs, 0),
      takeover_ms: rounded(takeoverMs, 0),
      due: DUE,
      due_all_done_after_kill_ms: rounded(allFiredMs, 0),
      late_ms: quantiles(rows.map(({ late }) => Number(late))),
      peak_rss_mb_before_kill: before,
      peak_rss_mb: peakMemory(platform.pids),
    });
  } finally {
    await database.end();
    await platform.remove();
  }
}
