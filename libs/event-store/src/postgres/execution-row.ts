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
