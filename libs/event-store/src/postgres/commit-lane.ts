import type { QueryConfig } from 'pg';
import { LANE_STATEMENTS } from '../port.js';
import type { CommitLane, CommitOutcome, CommitPartition, CommitRequest, FencedPartition, NewEvent } from '../port.js';
import { StatementConnection, classifyFailure } from './connection.js';
import type { ConnectionOptions } from './connection.js';
import { CHANGE_COLUMNS, STARTED_COLUMNS, columnValues, rowValues } from './execution-row.js';
import type { Column } from './execution-row.js';
import { encodeStreamRows } from './stream-row.js';
import { commitOf, eventsOf } from './sql/commit.js';
import type { CommitShape } from './sql/commit.js';
import { HELD_EPOCHS } from './sql/held-epochs.js';

/** The statement for the shape of a commit, with its parameters. */
function commitQuery({ partitions, events, started, changed, streams = [] }: CommitRequest): QueryConfig {
  const [only] = partitions;
  const single = partitions.length === 1 && only !== undefined;
  const shape: CommitShape = {
    single,
    events: eventsOf(single, events.length),
    starts: rowsOf(single, started.length),
    changes: rowsOf(single, changed.length),
    streams: streams.length > 0,
  };
  const values: unknown[] = [];
  if (single) {
    values.push(only.partition, only.epoch, only.lastPosition, events.length, only.publishedPosition);
  }
  if (shape.events === 'many') pushColumns(values, single, partitions, events);
  else for (const event of events) values.push(...eventValues(event));
  pushRows(values, shape.starts, STARTED_COLUMNS, started);
  pushRows(values, shape.changes, CHANGE_COLUMNS, changed);
  if (shape.streams) values.push(encodeStreamRows(streams));
  return { ...commitOf(shape), values };
}

/** An event as parameters. Its partition is the only one of its commit. */
function eventValues({ executionId, version, type, commandId, at, data, link }: NewEvent): unknown[] {
  return [executionId, version, type, commandId, at, data, link];
}

/** Events as columns. The partitions come first when there are several. */
function pushColumns(
  values: unknown[],
  single: boolean,
  partitions: readonly CommitPartition[],
  events: readonly NewEvent[],
): void {
  const appended = new Map<number, number>();
  let eventPartitions = '{';
  let ranks = '{';
  let ids = '{';
  let versions = '{';
  let types = '';
  let commandIds = '';
  let times = '{';
  let data = '';
  let links = '';
  let separator = '';
  let line = '';
  for (const event of events) {
    const rank = (appended.get(event.partition) ?? 0) + 1;
    appended.set(event.partition, rank);
    eventPartitions += `${separator}${event.partition}`;
    ranks += `${separator}${rank}`;
    ids += `${separator}${event.executionId}`;
    versions += `${separator}${event.version}`;
    types += `${line}${event.type}`;
    commandIds += `${line}${event.commandId}`;
    times += `${separator}${event.at}`;
    data += `${line}${event.data}`;
    links += `${line}${event.link}`;
    separator = ',';
    line = '\n';
  }
  if (!single) {
    values.push(
      `{${partitions.map((item) => item.partition).join(',')}}`,
      `{${partitions.map((item) => item.epoch).join(',')}}`,
      `{${partitions.map((item) => item.lastPosition).join(',')}}`,
      `{${partitions.map((item) => appended.get(item.partition) ?? 0).join(',')}}`,
      `{${partitions.map((item) => item.publishedPosition).join(',')}}`,
    );
  }
  values.push(
    `${eventPartitions}}`,
    `${ranks}}`,
    `${ids}}`,
    `${versions}}`,
    types,
    commandIds,
    `${times}}`,
    data,
    links,
  );
}

function pushRows<Row>(
  values: unknown[],
  shape: CommitShape['starts'],
  columns: readonly Column<Row>[],
  rows: readonly Row[],
): void {
  const [only] = rows;
  if (shape === 'many') values.push(...columnValues(columns, rows));
  else if (shape === 'one' && only !== undefined) values.push(...rowValues(columns, only));
}

function rowsOf(single: boolean, count: number): CommitShape['starts'] {
  if (count === 0) return 'none';
  return single && count === 1 ? 'one' : 'many';
}

/** Commits over its own connection. */
export class PostgresCommitLane implements CommitLane {
  readonly #connection: StatementConnection;

  constructor(options: ConnectionOptions) {
    this.#connection = new StatementConnection(options);
  }

  async commit(request: CommitRequest): Promise<CommitOutcome> {
    this.#checkRoom();
    try {
      const rows = await this.#connection.query<{ id: number; base: number }>(commitQuery(request));
      return { kind: 'committed', held: new Map(rows.map((row) => [row.id, row.base])) };
    } catch (error) {
      return classifyFailure(error);
    }
  }

  async heldEpochs(partitions: readonly FencedPartition[]): Promise<ReadonlySet<number>> {
    this.#checkRoom();
    const rows = await this.#connection.query<{ id: number }>({
      name: 'held-epochs',
      text: HELD_EPOCHS,
      values: [partitions.map((item) => item.partition), partitions.map((item) => item.epoch)],
    });
    return new Set(rows.map((row) => row.id));
  }

  #checkRoom(): void {
    const full = this.#connection.inFlight >= LANE_STATEMENTS;
    if (full) throw new Error(`a lane has ${LANE_STATEMENTS} statements in flight`);
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}
