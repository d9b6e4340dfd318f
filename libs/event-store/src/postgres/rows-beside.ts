import { columnValues, rowValues, rowsSource, rowsValue } from './columns.js';
import type { Column } from './columns.js';

/**
 * Number of rows of one part. A single row, in a commit of one partition, is sent as parameters, which PostgreSQL reads
 * in half the time.
 */
export type RowCount = 'none' | 'one' | 'many';

/** Rows of one table that commits write in the statement of their events. `Rows`: the fields of a commit with such rows. */
export interface RowsPart<Rows> {
  /** Part of the statement's name. */
  readonly name: string;
  count(rows: Rows): number;
  /** An expression of a WITH clause that has `moved (id, base)`. It writes nothing for a partition that is not there. */
  text(count: 'one' | 'many', firstParameter: number): string;
  push(values: unknown[], count: 'one' | 'many', rows: Rows): void;
}

/** How PostgreSQL writes and finds the rows that kinds of streams have beside their events. */
export interface RowsBeside<Rows> {
  readonly parts: readonly RowsPart<Rows>[];
  /** Tables with the columns `id`, `partition` and `wake_at`, whose streams wake up. */
  readonly wakeTables: readonly string[];
}

interface Part<Rows, Row> {
  readonly name: string;
  /** The name of the expression. */
  readonly as: string;
  readonly table: string;
  readonly columns: readonly Column<Row>[];
  readonly of: (rows: Rows) => readonly Row[];
}

/** Rows that are new. `partition` is one of their columns. */
export function insertedRows<Rows, Row>({ name, as, table, columns, of }: Part<Rows, Row>): RowsPart<Rows> {
  const names = columns.map((column) => column.name).join(', ');
  return {
    ...values(name, columns, of),
    text(count, first) {
      if (count === 'one') {
        return `, ${as} AS (
  INSERT INTO ${table} (${names})
  SELECT ${columns.map(({ type }, place) => `$${first + place}::${type}`).join(', ')}
  FROM moved
)`;
      }
      return `, ${as} AS (
  INSERT INTO ${table} (${names})
  SELECT ${columns.map(rowsValue).join(', ')}
  FROM ${rowsSource(columns, first)}
  JOIN moved m ON m.id = r.partition
)`;
    },
  };
}

/** Rows that exist. The first two columns, `id` and `partition`, find them, and the others change. */
export function updatedRows<Rows, Row>({ name, as, table, columns, of }: Part<Rows, Row>): RowsPart<Rows> {
  const [id, partition, ...changing] = columns;
  if (id?.name !== 'id' || partition?.name !== 'partition') throw new TypeError(`${table}: no id and partition first`);
  return {
    ...values(name, columns, of),
    text(count, first) {
      if (count === 'one') {
        return `, ${as} AS (
  UPDATE ${table} x
  SET ${changing.map((column, place) => `${column.name} = $${first + 2 + place}::${column.type}`).join(', ')}
  FROM moved
  WHERE x.id = $${first}::${id.type} AND moved.id = $${first + 1}::${partition.type}
)`;
      }
      return `, ${as} AS (
  UPDATE ${table} x
  SET ${changing.map((column) => `${column.name} = ${rowsValue(column)}`).join(', ')}
  FROM ${rowsSource(columns, first)}
  JOIN moved m ON m.id = r.partition
  WHERE x.id = r.id
)`;
    },
  };
}

function values<Rows, Row>(
  name: string,
  columns: readonly Column<Row>[],
  of: (rows: Rows) => readonly Row[],
): Omit<RowsPart<Rows>, 'text'> {
  return {
    name,
    count: (rows) => of(rows).length,
    push(values, count, rows) {
      const all = of(rows);
      const [only] = all;
      if (count === 'many') values.push(...columnValues(columns, all));
      else if (only !== undefined) values.push(...rowValues(columns, only));
    },
  };
}
