import type { JsonValue } from '@batuta/contracts';
import type pg from 'pg';
import { EVENTS_OF, EXECUTIONS_OF, PROJECTED, REMOVED_OF, SNAPSHOTS_OF, STEP_RUNS_OF } from './sql.js';

export interface EventRow {
  execution_id: string;
  version: number;
  type: string;
  at: string;
  command_id: string;
  position: string;
  partition: number;
  data: unknown;
  link: string | null;
}

export interface SnapshotRow {
  execution_id: string;
  version: number;
  reducer_version: number;
  state: JsonValue;
}

export type Columns = Readonly<Record<string, unknown>>;

/** Everything stored about some executions, read at one moment. */
export interface Stored {
  readonly events: ReadonlyMap<string, readonly EventRow[]>;
  readonly snapshots: ReadonlyMap<string, SnapshotRow>;
  readonly executions: ReadonlyMap<string, Columns>;
  readonly stepRuns: ReadonlyMap<string, readonly Columns[]>;
  readonly projected: ReadonlyMap<number, number>;
  /** The last links of removed events. */
  readonly removed: ReadonlyMap<string, { readonly position: number; readonly link: string }>;
}

/** Reads one consistent view: rows and events of a commit are all visible or none. */
export async function readStored(pool: pg.Pool, ids: readonly string[]): Promise<Stored> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const events = await client.query<EventRow>(EVENTS_OF, [ids]);
    const snapshots = await client.query<SnapshotRow>(SNAPSHOTS_OF, [ids]);
    const executions = await client.query<{ id: string; row: Columns }>(EXECUTIONS_OF, [ids]);
    const stepRuns = await client.query<{ execution_id: string; row: Columns }>(STEP_RUNS_OF, [ids]);
    const projected = await client.query<{ partition: number; position: string }>(PROJECTED);
    const removed = await client.query<{ id: string; position: string; link: string }>(REMOVED_OF, [ids]);
    await client.query('COMMIT');
    return {
      removed: new Map(removed.rows.map(({ id, position, link }) => [id, { position: Number(position), link }])),
      events: groupBy(
        events.rows,
        (row) => row.execution_id,
        (row) => row,
      ),
      snapshots: new Map(snapshots.rows.map((row) => [row.execution_id, row])),
      executions: new Map(executions.rows.map(({ id, row }) => [id, row])),
      stepRuns: groupBy(
        stepRuns.rows,
        (row) => row.execution_id,
        ({ row }) => row,
      ),
      projected: new Map(projected.rows.map(({ partition, position }) => [partition, Number(position)])),
    };
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  } finally {
    client.release();
  }
}

function groupBy<T, V>(items: readonly T[], key: (item: T) => string, value: (item: T) => V): Map<string, V[]> {
  const groups = new Map<string, V[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group === undefined) groups.set(key(item), [value(item)]);
    else group.push(value(item));
  }
  return groups;
}
