import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Event, OrchestrationDefinition } from '@batuta/contracts';
import pg from 'pg';
import { Deployment } from './deployment.js';
import { call } from './ipc.js';
import { peakMemory, rounded } from './measure.js';
import type { StoredHistory } from './replay-process.js';
import { WORKLOADS, configOf } from './workload.js';

const PROGRAM = fileURLToPath(new URL('./replay-process.js', import.meta.url));

interface Row {
  readonly execution_id: string;
  readonly partition: number;
  readonly position: string;
  readonly version: number;
  readonly type: Event['type'];
  readonly command_id: string;
  readonly at: string;
  readonly data: string;
}

/**
 * W8: folds histories that the platform has written, starting from their JSON text, until this number of events is
 * folded.
 */
export async function runReplay(layout: string, events: number, print: (line: object) => void): Promise<void> {
  const { W2, W3 } = WORKLOADS;
  const deployment = await Deployment.start({ layout });
  const histories: StoredHistory[] = [];
  try {
    const database = new pg.Client({ connectionString: deployment.platform.stack.databaseUrl });
    await database.connect();
    try {
      for (const { shape } of [W2, W3]) {
        await deployment.load({ shape, executions: 20, inFlight: 20 });
        const name = await deployment.config(shape);
        const { rows } = await database.query<Row>(
          `SELECT e.execution_id, e.partition, e.position, e.version, e.type, e.command_id, e.at, e.data::text AS data
             FROM execution.events e JOIN execution.orchestration_executions x ON x.id = e.execution_id
            WHERE x.config_name = $1 ORDER BY e.execution_id, e.version`,
          [name],
        );
        const definition = configOf(name, shape) as OrchestrationDefinition;
        for (const row of rows) {
          const head = {
            executionId: row.execution_id,
            version: row.version,
            type: row.type,
            at: Number(row.at),
            commandId: row.command_id,
            position: Number(row.position),
            partition: row.partition,
          };
          if (row.version === 1) histories.push({ definition, events: [] });
          histories.at(-1)?.events.push({ head, data: row.data });
        }
      }
    } finally {
      await database.end();
    }
  } finally {
    await deployment.remove();
  }
  const child = fork(PROGRAM, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  try {
    const result = await call<{ folded: number; finished: number; seconds: number }>(child, 'replay', {
      histories,
      events,
    });
    print({
      peer: 'batuta',
      work: 'W8',
      events: result.folded,
      executions_finished: result.finished,
      seconds: rounded(result.seconds, 3),
      events_per_s: rounded(result.folded / result.seconds, 0),
      peak_rss_mb: peakMemory({ replay: child.pid ?? 0 }),
    });
  } finally {
    child.kill();
  }
}
