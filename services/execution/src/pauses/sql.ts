import { DEFAULT_TENANT } from '@batuta/contracts';

const PAUSE = `kind, name, tenant_id AS "tenantId", reason, paused_by AS "pausedBy",
  floor(extract(epoch FROM paused_at) * 1000)::float8 AS "pausedAt"`;
const OLDEST_FIRST = 'ORDER BY paused_at, tenant_id, kind, name';

export const ALL_PAUSES = `SELECT ${PAUSE} FROM execution.pauses ${OLDEST_FIRST}`;

/** What a tenant sees: its own, and pools that are paused for all. $1 tenant. */
export const PAUSES_SEEN_BY = `
SELECT ${PAUSE} FROM execution.pauses WHERE tenant_id = $1 OR (tenant_id = '${DEFAULT_TENANT}' AND kind = 'pool') ${OLDEST_FIRST}`;

/** What the platform's tenant sees: its own, and every paused tenant. $1 tenant. */
export const PAUSES_OF_PLATFORM = `
SELECT ${PAUSE} FROM execution.pauses WHERE tenant_id = $1 OR kind = 'tenant' ${OLDEST_FIRST}`;

/** $1 tenant, $2 kind. */
export const COUNT_PAUSES = `SELECT count(*)::int AS n FROM execution.pauses WHERE tenant_id = $1 AND kind = $2`;

/** $1 tenant, $2 kind, $3 name, $4 reason, $5 user. A pause that exists keeps its beginning. */
export const BEGIN_PAUSE = `
INSERT INTO execution.pauses AS p (tenant_id, kind, name, reason, paused_by) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id, kind, name) DO UPDATE SET reason = excluded.reason, paused_by = excluded.paused_by
RETURNING ${PAUSE}, (xmax = 0) AS created`;

/** $1 tenant, $2 kind, $3 name. */
export const END_PAUSE = `DELETE FROM execution.pauses WHERE tenant_id = $1 AND kind = $2 AND name = $3 RETURNING ${PAUSE}`;
