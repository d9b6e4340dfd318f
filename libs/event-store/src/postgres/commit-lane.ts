import type { QueryConfig } from 'pg';
import { LANE_STATEMENTS } from '../port.js';
import type { CommitLane, CommitOutcome, CommitPartition, CommitRequest, FencedPartition, NewEvent } from '../port.js';
import { StatementConnection, classifyFailure } from './connection.js';
import type { ConnectionOptions } from './connection.js';
import type { RowsPart } from './rows-beside.js';
import { encodeStreamRows } from './stream-row.js';
import { CommitStatements, eventsOf } from './sql/commit.js';
import type { PartShape } from './sql/commit.js';
import { HELD_EPOCHS } from './sql/held-epochs.js';

/** Makes the statement of a commit. */
export class CommitQueries<Rows> {
  readonly #statements = new CommitStatements();

  readonly #parts: readonly RowsPart<Rows>[];

  /** `parts`: the rows beside the events. */
  constructor(parts: readonly RowsPart<Rows>[]) {
    this.#parts = parts;
  }

  /** The statement for the shape of a commit, with its parameters. */
  of(request: CommitRequest<Rows>): QueryConfig {
    const { partitions, events, streams = [] } = request;
    const [only] = partitions;
    const single = partitions.length === 1 && only !== undefined;
    const counted = eventsOf(single, events.length);
    let name = `commit${single ? '-single' : ''}-${counted}`;
    const values: unknown[] = [];
    if (single) {
      values.push(only.partition, only.epoch, only.lastPosition, events.length, only.publishedPosition);
    }
    if (counted === 'many') pushColumns(values, single, partitions, events);
    else for (const event of events) values.push(...eventValues(event));
    const rows: PartShape[] = [];
    for (const part of this.#parts) {
      const size = part.count(request);
      if (size === 0) {
        name += `-${part.name}-none`;
        continue;
      }
      const count = single && size === 1 ? 'one' : 'many';
      name += `-${part.name}-${count}`;
      rows.push({ part, count, firstParameter: values.length + 1 });
      part.push(values, count, request);
    }
    const hasStreams = streams.length > 0;
    if (hasStreams) {
      name += '-streams';
      values.push(encodeStreamRows(streams));
    }
    const streamsAt = hasStreams ? values.length : undefined;
    return { ...this.#statements.of(name, () => ({ single, events: counted, rows, streamsAt })), values };
  }
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

/** Commits over its own connection. */
export class PostgresCommitLane<Rows> implements CommitLane<Rows> {
  readonly #connection: StatementConnection;
  readonly #queries: CommitQueries<Rows>;

  constructor(options: ConnectionOptions, queries: CommitQueries<Rows>) {
    this.#queries = queries;
    this.#connection = new StatementConnection(options);
  }

  async commit(request: CommitRequest<Rows>): Promise<CommitOutcome> {
    this.#checkRoom();
    try {
      const rows = await this.#connection.query<{ id: number; base: number }>(this.#queries.of(request));
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
