import type { JsonValue } from '@batuta/contracts';
import { encodeJson, storableJson } from '../encode-json.js';
import type { ExecutionChange, ExecutionProgress, ExecutionRow } from '../port.js';

/** Largest value of numeric(10,6). A larger cost is stored as this value, so that it does not fail the commit. */
const LARGEST_COST = 9999.999999;

const LARGEST_INT = 2_147_483_647;

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

const PROGRESS_COLUMNS: readonly Column<ExecutionProgress>[] = [
  { name: 'status', type: 'text', of: (row) => row.status },
  { name: 'version', type: 'int', of: (row) => row.version },
  { name: 'wake_at', type: 'bigint', of: ({ wakeAt }) => (wakeAt === null ? null : Math.floor(wakeAt)) },
  { name: 'output', type: 'jsonb', of: (row) => row.output },
  { name: 'started_at', type: 'timestamptz', of: (row) => row.startedAt },
  { name: 'completed_at', type: 'timestamptz', of: (row) => row.completedAt },
  { name: 'paused_at', type: 'timestamptz', of: (row) => row.pausedAt },
  { name: 'total_latency_ms', type: 'double precision', of: (row) => row.totalLatencyMs },
  { name: 'estimated_cost', type: 'numeric', of: (row) => Math.min(row.estimatedCost, LARGEST_COST) },
  { name: 'token_count', type: 'int', of: (row) => Math.min(row.tokenCount, LARGEST_INT) },
];

/** The columns that change while an execution runs. */
export const CHANGING_COLUMNS: readonly Column<{ readonly progress: ExecutionProgress }>[] = PROGRESS_COLUMNS.map(
  ({ name, type, of }) => ({ name, type, of: ({ progress }) => of(progress) }),
);

/** The key of the changed row, then the columns that change. */
export const CHANGE_COLUMNS: readonly Column<ExecutionChange>[] = [
  { name: 'id', type: 'uuid', of: (change) => change.id },
  { name: 'partition', type: 'int', of: (change) => change.partition },
  ...CHANGING_COLUMNS,
];

/** The columns that a start writes. */
export const STARTED_COLUMNS: readonly Column<ExecutionRow>[] = [
  { name: 'id', type: 'uuid', of: (row) => row.id },
  { name: 'partition', type: 'int', of: (row) => row.partition },
  { name: 'trace_id', type: 'text', of: (row) => row.traceId },
  { name: 'config_id', type: 'text', of: (row) => row.configId },
  { name: 'config_name', type: 'text', of: (row) => row.configName },
  { name: 'config_version', type: 'int', of: (row) => row.configVersion },
  { name: 'tenant_id', type: 'text', of: (row) => row.tenantId },
  { name: 'user_id', type: 'text', of: (row) => row.userId },
  { name: 'session_id', type: 'text', of: (row) => row.sessionId },
  { name: 'created_by', type: 'text', of: (row) => row.createdBy },
  { name: 'callback_url', type: 'text', of: (row) => row.callbackUrl },
  { name: 'input', type: 'jsonb', of: (row) => row.input },
  { name: 'metadata', type: 'jsonb', of: (row) => row.metadata },
  { name: 'created_at', type: 'timestamptz', of: (row) => row.createdAt },
  ...CHANGING_COLUMNS,
];

/** Rows of orchestration_executions as one JSON text for jsonb_populate_recordset. */
export function encodeExecutionRows(rows: readonly ExecutionRow[]): string {
  return encodeJson(
    rows.map((row) =>
      Object.fromEntries(
        STARTED_COLUMNS.map((column) => {
          const value = column.of(row);
          return [column.name, column.type === 'timestamptz' ? timeText(value) : value];
        }),
      ),
    ),
  );
}

const timeText = (ms: Value): string | null => (typeof ms === 'number' ? new Date(ms).toISOString() : null);

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
