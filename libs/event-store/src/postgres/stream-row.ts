import { encodeJson } from '../encode-json.js';
import type { StreamRow } from '../port.js';

/** Rows of execution.streams as one JSON text for jsonb_to_recordset. */
export function encodeStreamRows(rows: readonly StreamRow[]): string {
  return encodeJson(
    rows.map((row) => ({
      id: row.id,
      partition: row.partition,
      kind: row.kind,
      tenant_id: row.tenantId,
      name: row.name,
      config_id: row.configId,
      status: row.status,
      version: row.version,
      wake_at: row.wakeAt === null ? null : Math.floor(row.wakeAt),
      created_at: row.createdAt,
      view: row.view,
    })),
  );
}
