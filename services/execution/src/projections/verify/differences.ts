import type { JsonValue } from '@batuta/contracts';
import { ChainWalk, encodeJson } from '@batuta/event-store';
import type pg from 'pg';
import { REDUCER_VERSION, encodeSnapshot, isTerminal, nextWake, stepView } from '../../domain/index.js';
import type { State } from '../../domain/index.js';
import { rowOf } from '../../partitions/lane/execution-row.js';
import { encodeExecutionRows } from '../../store/postgres/execution-rows.js';
import { projectedUnits, StepRunColumns } from '../step-run-columns.js';
import { firstDifference } from './first-difference.js';
import { isBeginningOf } from './json-beginning.js';
import { isTombstone } from './folded.js';
import type { Folded } from './folded.js';
import { AS_EXECUTIONS, AS_STEP_RUNS } from './sql.js';
import type { Columns, SnapshotRow, Stored } from './stored.js';

// Each compares one kind of stored data with what the log says. Undefined when they are equal.

/** Columns about writing and waking, which do not describe the execution. */
const BOOKKEEPING = ['version', 'wake_at'] as const;

export function chainDifference(id: string, { events, executions, removed }: Stored): string | undefined {
  const rows = events.get(id) ?? [];
  const [first] = rows;
  // Without any event, computing the state reports it.
  if (first === undefined) return undefined;
  const before = isTombstone(first)
    ? {
        version: first.version - 1,
        partition: first.partition,
        position: removed.get(id)?.position ?? Number(first.position) - 1,
        link: removed.get(id)?.link ?? '',
      }
    : undefined;
  const walk = new ChainWalk(id, before);
  for (const row of rows) {
    const { version, partition, position, at, type, command_id: commandId, data, link } = row;
    const place = { version, partition, position: Number(position), at: Number(at) };
    walk.add({ ...place, type, commandId, data: data as JsonValue, link });
  }
  const version = Number(executions.get(id)?.['version'] ?? 0);
  walk.end(version);
  const [problem] = walk.problems;
  if (problem === undefined) return undefined;
  const { kind, fromVersion: from, toVersion: to, partition, fromPosition, toPosition, message } = problem;
  const versions = from === to ? `version ${from}` : `versions ${from} to ${to}`;
  return `${versions} ${kind} (partition ${partition}, positions ${fromPosition} to ${toPosition}): ${message}`;
}

export function snapshotDifference({ newest, at, removed }: Folded, snapshot: SnapshotRow): string | undefined {
  if (removed === true) return 'there is a snapshot of what is deleted and removed';
  // Nothing reads a snapshot of another version.
  if (snapshot.reducer_version !== REDUCER_VERSION) return undefined;
  const state = at.get(snapshot.version);
  if (state === undefined) return `/version: the log ends at ${newest.version}, stored is ${snapshot.version}`;
  const expected = JSON.parse(encodeJson(encodeSnapshot(state))) as unknown;
  return firstDifference(expected, snapshot.state);
}

export async function executionDifference(
  pool: pg.Pool,
  id: string,
  { newest, partition, removed }: Folded,
  row: Columns | undefined,
): Promise<string | undefined> {
  if (removed === true) return row === undefined ? undefined : 'there is a row of what is deleted and removed';
  if (row === undefined) return 'the row is missing';
  const wake = isTerminal(newest.status) ? null : Math.floor(nextWake(newest) ?? newest.deadlineAt);
  const { rows } = await pool.query<{ row: Columns }>(AS_EXECUTIONS, [
    encodeExecutionRows([rowOf(id, partition, newest, wake)]),
  ]);
  const difference = firstDifference(without(rows[0]?.row ?? {}), without(row));
  if (difference !== undefined) return difference;
  const { wake_at: wakeAt, version } = row;
  if (Number(version) > newest.version) {
    return `/version: the log ends at ${newest.version}, stored is ${Number(version)}`;
  }
  // A lower bound: waking too early does no harm, waking too late would.
  const good = wake === null ? wakeAt === null : typeof wakeAt === 'number' && wakeAt <= wake;
  return good ? undefined : `/wake_at: the log says ${wake ?? 'none'}, stored is ${String(wakeAt)}`;
}

export async function stepRunDifference(
  pool: pg.Pool,
  { newest, at, removed }: Folded,
  stored: readonly Columns[],
  behind: boolean,
): Promise<string | undefined> {
  if (removed === true) return stored.length === 0 ? undefined : 'there are step runs of what is deleted and removed';
  const expected = new Map<string, Columns>();
  const states = new Map(at);
  states.set(newest.version, newest);
  const columns = new StepRunColumns();
  for (const state of states.values()) columns.add(undefined, state);
  const { rows } = await pool.query<{ row: Columns }>(AS_STEP_RUNS, columns.values);
  for (const { row } of rows) expected.set(`${Number(row['step_index'])}/${Number(row['version'])}`, row);
  for (const row of stored) {
    const step = Number(row['step_index']);
    const then = expected.get(`${step}/${Number(row['version'])}`);
    if (then === undefined) return `/${step}: the log has no such step at version ${Number(row['version'])}`;
    const said = asStored(then, row, states.get(Number(row['version'])));
    const difference = firstDifference(said, row, `/${String(row['step_id'])}`);
    if (difference !== undefined) return difference;
  }
  if (behind) return undefined;
  const byStep = new Map(stored.map((row) => [Number(row['step_index']), row]));
  for (const { index, id } of projectedUnits(newest.config)) {
    const row = byStep.get(index);
    if (row === undefined) return `/${id}: the row is missing`;
    const now = expected.get(`${index}/${newest.version}`) ?? {};
    const difference = firstDifference(without(asStored(now, row, newest)), without(row), `/${id}`);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

/** What the log says of a step. The beginning of a large output may have its keys in the order in which they were written. */
function asStored(said: Columns, stored: Columns, state: State | undefined): Columns {
  const { output, output_truncated: truncated, step_index: index } = stored;
  if (truncated !== true || said['output_truncated'] !== true || state === undefined) return said;
  const unit = projectedUnits(state.config).find((each) => each.index === Number(index));
  if (unit === undefined || typeof output !== 'string' || output.length !== String(said['output']).length) return said;
  const whole = stepView(state, unit).output;
  return whole !== undefined && isBeginningOf(output, whole) ? { ...said, output } : said;
}

function without(row: Columns): Columns {
  const rest: Record<string, unknown> = { ...row };
  for (const name of BOOKKEEPING) delete rest[name];
  return rest;
}
