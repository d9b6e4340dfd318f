import { encodeRows, insertedRows, updatedRows } from '@batuta/event-store';
import type { Column, RowsBeside } from '@batuta/event-store';
import type { ExecutionChange, ExecutionProgress, ExecutionRow, ExecutionRows } from '../port.js';

/** Largest value of numeric(10,6). A larger cost is stored as this value, so that it does not fail the commit. */
const LARGEST_COST = 9999.999999;

const LARGEST_INT = 2_147_483_647;

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
const CHANGING_COLUMNS: readonly Column<{ readonly progress: ExecutionProgress }>[] = PROGRESS_COLUMNS.map(
  ({ name, type, of }) => ({ name, type, of: ({ progress }) => of(progress) }),
);

/** The key of the changed row, then the columns that change. */
const CHANGE_COLUMNS: readonly Column<ExecutionChange>[] = [
  { name: 'id', type: 'uuid', of: (change) => change.id },
  { name: 'partition', type: 'int', of: (change) => change.partition },
  ...CHANGING_COLUMNS,
];

/** The columns that a start writes. */
const STARTED_COLUMNS: readonly Column<ExecutionRow>[] = [
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

const TABLE = 'execution.orchestration_executions';

/** Rows of orchestration_executions as one JSON text for jsonb_populate_recordset. */
export function encodeExecutionRows(rows: readonly ExecutionRow[]): string {
  return encodeRows(STARTED_COLUMNS, rows);
}

/** How a commit writes the rows of executions, and where their wake-ups are. */
export const EXECUTION_ROWS: RowsBeside<ExecutionRows> = {
  parts: [
    insertedRows({
      name: 'starts',
      as: 'started',
      table: TABLE,
      columns: STARTED_COLUMNS,
      of: ({ started }: ExecutionRows) => started,
    }),
    updatedRows({
      name: 'changes',
      as: 'changed',
      table: TABLE,
      columns: CHANGE_COLUMNS,
      of: ({ changed }: ExecutionRows) => changed,
    }),
  ],
  wakeTables: [TABLE],
};
