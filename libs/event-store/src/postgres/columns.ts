import type { JsonValue } from '@batuta/contracts';
import { encodeJson, storableJson } from '../encode-json.js';

type Value = JsonValue | undefined;

/**
 * A column with its type and a function that gives its value: epoch ms for a time, the value itself for JSON; null or
 * undefined for NULL.
 */
export interface Column<Row> {
  readonly name: string;
  readonly type: 'uuid' | 'int' | 'bigint' | 'double precision' | 'numeric' | 'text' | 'timestamptz' | 'jsonb';
  readonly of: (row: Row) => Value;
}

const timeText = (ms: Value): string | null => (typeof ms === 'number' ? new Date(ms).toISOString() : null);

/** Rows as one JSON text for jsonb_populate_recordset. */
export function encodeRows<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  return encodeJson(
    rows.map((row) =>
      Object.fromEntries(
        columns.map(({ name, type, of }) => {
          const value = of(row);
          return [name, type === 'timestamptz' ? timeText(value) : value];
        }),
      ),
    ),
  );
}

/** A single row, with one parameter per column. */
export function rowValues<Row>(columns: readonly Column<Row>[], row: Row): unknown[] {
  return columns.map(({ type, of }) => {
    const value = of(row) ?? null;
    if (value === null) return null;
    switch (type) {
      case 'jsonb':
        return encodeJson(value);
      case 'timestamptz':
        return timeText(value);
      default:
        return storableJson(value);
    }
  });
}

/**
 * Rows, with one parameter per column: an array literal, but for JSON the texts joined by line breaks. JSON text
 * contains no line break, and an empty text stands for NULL. PostgreSQL reads both faster than rows of JSON.
 * `rowsSource` reads them.
 */
export function columnValues<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string[] {
  return columns.map(({ type, of }) => {
    let text = '';
    let separator = '';
    for (const row of rows) {
      const value = of(row) ?? null;
      text += separator;
      switch (type) {
        case 'jsonb':
          if (value !== null) text += encodeJson(value);
          separator = '\n';
          break;
        case 'text':
          text += typeof value === 'string' ? quoted(storableJson(value)) : 'NULL';
          separator = ',';
          break;
        default:
          text += typeof value === 'string' || typeof value === 'number' ? String(value) : 'NULL';
          separator = ',';
      }
    }
    return type === 'jsonb' ? text : `{${text}}`;
  });
}

/** An element of an array literal. */
function quoted(text: string): string {
  return `"${text.includes('"') || text.includes('\\') ? text.replace(/["\\]/g, String.raw`\$&`) : text}"`;
}

/** A FROM item `r` with the rows of `columnValues`. `first` is the number of its first parameter. */
export function rowsSource(columns: readonly Pick<Column<never>, 'name' | 'type'>[], first: number): string {
  const arrays = columns.map(({ type }, place) => {
    const parameter = `$${first + place}`;
    if (type === 'jsonb') return String.raw`string_to_array(${parameter}, E'\n', '')`;
    return `${parameter}::${type === 'timestamptz' ? 'double precision' : type}[]`;
  });
  return `unnest(${arrays.join(', ')}) AS r(${columns.map(({ name }) => name).join(', ')})`;
}

/** The value of a column of `rowsSource`, cast to the column's type. */
export function rowsValue({ name, type }: Pick<Column<never>, 'name' | 'type'>): string {
  switch (type) {
    case 'jsonb':
      return `r.${name}::jsonb`;
    case 'timestamptz':
      return `timestamptz 'epoch' + r.${name} * interval '1 millisecond'`;
    default:
      return `r.${name}`;
  }
}
