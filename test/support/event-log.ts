import pg from 'pg';

interface LogRow {
  readonly execution_id: string;
  readonly version: number;
  readonly type: string;
  readonly step_id: string | null;
  readonly attempt: number | null;
  readonly now: boolean | null;
}

const OUTCOMES = new Set(['StepCompleted', 'StepAttemptFailed', 'ModelAnswered', 'IterationCompleted']);
const REOPENS: ReadonlySet<string> = new Set(['ExecutionRetried', 'ExecutionReopened']);
const TERMINAL = new Set(['ExecutionCompleted', 'ExecutionFailed', 'ExecutionCancelled']);

export interface LogFacts {
  /** Number of executions whose last event ends them, by the type of that event. */
  readonly ended: Readonly<Record<string, number>>;
  readonly outcomes: number;
}

/**
 * Reads the events table itself and throws when a guarantee is broken: versions and positions without gaps; at most one
 * outcome per attempt; one outcome for each attempt of a completed execution that no command has stopped; one decision
 * for each requested approval; no event after a terminal event except a retry.
 */
export async function checkLog(databaseUrl: string, executionIds: readonly string[]): Promise<LogFacts> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const gaps = await client.query<{ partition: number; events: string; last: string }>(
      `SELECT partition, count(*) AS events, max(position) AS last FROM execution.events
       GROUP BY partition HAVING count(*) <> max(position) OR min(position) <> 1`,
    );
    if (gaps.rows.length > 0) {
      throw new Error(`positions have gaps: ${JSON.stringify(gaps.rows)}`);
    }
    const { rows } = await client.query<LogRow>(
      `SELECT execution_id, version, type, data->>'stepId' AS step_id, (data->>'attempt')::int AS attempt,
         (data->>'now')::boolean AS now
       FROM execution.events WHERE execution_id = ANY($1) ORDER BY execution_id, version`,
      [executionIds],
    );
    const byExecution = new Map<string, LogRow[]>();
    for (const row of rows) {
      const events = byExecution.get(row.execution_id);
      if (events === undefined) {
        byExecution.set(row.execution_id, [row]);
      } else {
        events.push(row);
      }
    }
    const ended: Record<string, number> = {};
    let outcomes = 0;
    for (const id of executionIds) {
      const events = byExecution.get(id) ?? [];
      outcomes += checkExecution(id, events);
      const last = events.at(-1)?.type ?? 'nothing';
      ended[last] = (ended[last] ?? 0) + 1;
    }
    return { ended, outcomes };
  } finally {
    await client.end();
  }
}

/** Events with which steps without an agent begin. */
const ALONE = new Set([
  'ModelAnswered',
  'WaitStarted',
  'SignalAwaited',
  'ChoiceMade',
  'RouteDecided',
  'ChildRequested',
]);

function checkExecution(id: string, events: readonly LogRow[]): number {
  const outcomes = new Map<string, number>();
  const scheduled = new Set<string>();
  /** Running attempts that a command has ended: a skip, a pause with `now`, a cancel. */
  const stopped = new Set<string>();
  /** Requested approvals, and whether they are decided. Waits decide themselves. */
  const asked = new Map<string, boolean>();
  const stop = (step?: string): void => {
    for (const attempt of scheduled) {
      if (outcomes.has(attempt) || (step !== undefined && !attempt.startsWith(`${step}/`))) continue;
      stopped.add(attempt);
    }
  };
  events.forEach((event, index) => {
    if (event.version !== index + 1) {
      throw new Error(`execution ${id}: version ${event.version} stands at place ${index + 1}`);
    }
    const next = events[index + 1];
    if (TERMINAL.has(event.type) && next !== undefined && !REOPENS.has(next.type)) {
      throw new Error(
        `execution ${id}: version ${event.version} ends it, and ${events.length - index - 1} events follow`,
      );
    }
    const attempt = `${String(event.step_id)}/${String(event.attempt)}`;
    if (event.type === 'StepScheduled') {
      scheduled.add(attempt);
    }
    if (event.type === 'StepSkipped') {
      stop(String(event.step_id));
    } else if (event.now === true || REOPENS.has(event.type)) {
      stop();
    }
    const step = String(event.step_id);
    if (event.type === 'ApprovalRequested') asked.set(step, false);
    if (ALONE.has(event.type)) asked.set(step, true);
    if (event.type === 'ApprovalDecided') {
      if (asked.get(step) !== false) throw new Error(`execution ${id}: ${step} is decided, and nobody was asked`);
      asked.set(step, true);
    }
    // A human decision and the passing of time are not attempts.
    if (event.attempt === 0) {
      if (asked.get(step) !== true) {
        throw new Error(
          `execution ${id}: ${step} is completed without a decision, a wait, a signal, a choice, a child or an iteration`,
        );
      }
      asked.delete(step);
    } else if (OUTCOMES.has(event.type)) {
      outcomes.set(attempt, (outcomes.get(attempt) ?? 0) + 1);
    }
    // The step itself completes after its last iteration.
    if (event.type === 'IterationCompleted') asked.set(step, true);
  });
  for (const [attempt, count] of outcomes) {
    if (count !== 1) {
      throw new Error(`execution ${id}: attempt ${attempt} has ${count} outcomes`);
    }
    if (!scheduled.has(attempt)) {
      throw new Error(`execution ${id}: attempt ${attempt} has an outcome but was never scheduled`);
    }
  }
  for (const attempt of outcomes.keys()) {
    if (stopped.has(attempt)) {
      throw new Error(`execution ${id}: attempt ${attempt} has an outcome although a command had ended it`);
    }
  }
  if (events.at(-1)?.type === 'ExecutionCompleted' && outcomes.size + stopped.size !== scheduled.size) {
    throw new Error(
      `execution ${id}: ${scheduled.size} attempts were scheduled, ${outcomes.size} have an outcome, ${stopped.size} were stopped`,
    );
  }
  return outcomes.size;
}
