import { encodeJson } from '../encode-json.js';
import type { ExecutionChange, ExecutionProgress, ExecutionRow } from '../port.js';

/** Largest value of numeric(10,6); a cost beyond it is shown as this rather than failing the commit. */
const LARGEST_COST = 9999.999999;

const LARGEST_INT = 2_147_483_647;

const time = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

function progressColumns(progress: ExecutionProgress): Record<string, unknown> {
  return {
    status: progress.status,
    version: progress.version,
    wake_at: progress.wakeAt === null ? null : Math.floor(progress.wakeAt),
    output: progress.output,
    started_at: time(progress.startedAt),
    paused_at: time(progress.pausedAt),
    completed_at: time(progress.completedAt),
    total_latency_ms: progress.totalLatencyMs,
    estimated_cost: Math.min(progress.estimatedCost, LARGEST_COST),
    token_count: Math.min(progress.tokenCount, LARGEST_INT),
  };
}

function startedColumns(row: ExecutionRow): Record<string, unknown> {
  return {
    id: row.id,
    partition: row.partition,
    trace_id: row.traceId,
    config_id: row.configId,
    config_name: row.configName,
    config_version: row.configVersion,
    tenant_id: row.tenantId,
    user_id: row.userId,
    session_id: row.sessionId,
    created_by: row.createdBy,
    callback_url: row.callbackUrl,
    input: row.input,
    metadata: row.metadata,
    created_at: time(row.createdAt),
    ...progressColumns(row.progress),
  };
}

/** Rows of orchestration_executions as one JSON text for jsonb_populate_recordset. */
export function encodeExecutionRows(rows: readonly ExecutionRow[]): string {
  return encodeJson(rows.map(startedColumns));
}

/** Changed columns, with id and partition, as one JSON text for jsonb_populate_recordset. */
export function encodeChanged(changes: readonly ExecutionChange[]): string {
  return encodeJson(
    changes.map((change) => ({ id: change.id, partition: change.partition, ...progressColumns(change.progress) })),
  );
}

type Column = readonly [name: string, type: string];

/** The columns that change while an execution runs, with their types. */
export const CHANGING_COLUMNS: readonly Column[] = [
  ['status', 'text'],
  ['version', 'int'],
  ['wake_at', 'bigint'],
  ['output', 'jsonb'],
  ['started_at', 'timestamptz'],
  ['completed_at', 'timestamptz'],
  ['paused_at', 'timestamptz'],
  ['total_latency_ms', 'double precision'],
  ['estimated_cost', 'numeric'],
  ['token_count', 'int'],
];

/** The columns that a start writes, with their types. */
export const STARTED_COLUMNS: readonly Column[] = [
  ['id', 'uuid'],
  ['partition', 'int'],
  ['trace_id', 'text'],
  ['config_id', 'text'],
  ['config_name', 'text'],
  ['config_version', 'int'],
  ['tenant_id', 'text'],
  ['user_id', 'text'],
  ['session_id', 'text'],
  ['created_by', 'text'],
  ['callback_url', 'text'],
  ['input', 'jsonb'],
  ['metadata', 'jsonb'],
  ['created_at', 'timestamptz'],
  ...CHANGING_COLUMNS,
];

/** A single start as parameters in the order of STARTED_COLUMNS. */
export function startedValues(row: ExecutionRow): unknown[] {
  return valuesOf(STARTED_COLUMNS, startedColumns(row));
}

/** A single change as parameters: the execution's id, then CHANGING_COLUMNS in their order. */
export function changedValues({ id, progress }: ExecutionChange): unknown[] {
  return [id, ...valuesOf(CHANGING_COLUMNS, progressColumns(progress))];
}

function valuesOf(columns: readonly Column[], row: Record<string, unknown>): unknown[] {
  return columns.map(([name, type]) => {
    const value = row[name] ?? null;
    return type === 'jsonb' && value !== null ? encodeJson(value) : value;
  });
}
