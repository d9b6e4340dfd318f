/** Locks the chain heads of these tenants in a fixed order, and makes missing ones. $1: tenants, sorted. */
export const LOCK_HEADS = `
INSERT INTO config.audit_heads (tenant_id, seq, link)
SELECT tenant_id, 0, decode(repeat('00', 32), 'hex') FROM unnest($1::text[]) AS t (tenant_id)
ON CONFLICT (tenant_id) DO UPDATE SET seq = audit_heads.seq
RETURNING tenant_id, seq::float8 AS seq, encode(link, 'hex') AS link`;

/** Entries that are stored already, because a sender repeats them when it gets no answer. $1: tenants, $2: ids. */
export const KNOWN_ENTRIES = `
SELECT id FROM config.audit_entries WHERE tenant_id = ANY($1::text[]) AND id = ANY($2::uuid[])`;

/** Stores entries and updates the heads of their chains. $1: entries as JSON, $2: heads as JSON. */
export const STORE_ENTRIES = `
WITH stored AS (
  INSERT INTO config.audit_entries (tenant_id, id, seq, at, key_id, user_id, role, channel, action, resource, revision, outcome,
    code, address, request_id, used_by, link)
  SELECT "tenantId", id, seq, to_timestamp(at / 1000), coalesce("keyId", ''), coalesce("userId", ''), coalesce(role, ''), channel,
    action, resource, coalesce(revision, ''), outcome, coalesce(code, ''), coalesce(address, ''), coalesce("requestId", ''),
    coalesce("usedBy", ''), decode(link, 'hex')
  FROM jsonb_to_recordset($1::jsonb) AS e ("tenantId" text, id uuid, seq bigint, at float8, "keyId" text, "userId" text, role text,
    channel text, action text, resource text, revision text, outcome text, code text, address text, "requestId" text, "usedBy" text, link text)
)
UPDATE config.audit_heads AS h SET seq = n.seq, link = decode(n.link, 'hex')
FROM jsonb_to_recordset($2::jsonb) AS n ("tenantId" text, seq bigint, link text) WHERE h.tenant_id = n."tenantId"`;

const SHOWN = `id, tenant_id AS "tenantId", seq::float8 AS seq, floor(extract(epoch FROM at) * 1000 + 0.5)::float8 AS at, key_id AS "keyId",
  user_id AS "userId", role, channel, action, resource, revision, outcome, code, address, request_id AS "requestId",
  used_by AS "usedBy", encode(link, 'hex') AS link`;

/** The filters of a list of entries. */
interface AuditFilters {
  readonly tenantId: string;
  readonly userId: string;
  readonly keyId: string;
  readonly action: string;
  readonly resource: string;
  readonly outcome: string;
  readonly executionId: string;
  readonly from: number;
  readonly before: number;
  /** Where the page begins: an id, or a position in the chain when the oldest come first. */
  readonly after: string | undefined;
  readonly oldestFirst: boolean;
  readonly limit: number;
}

/** The smallest id of a moment. */
function idAt(ms: number): string {
  const hex = Math.min(Math.max(0, Math.floor(ms)), 2 ** 48 - 1)
    .toString(16)
    .padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

/** One page, with one more entry than requested if there are more. */
export function selectEntries(filters: AuditFilters): { readonly text: string; readonly values: unknown[] } {
  const { tenantId, from, before, after, oldestFirst, limit } = filters;
  const values: unknown[] = [tenantId];
  const conditions = ['tenant_id = $1'];
  const where = (condition: (place: string) => string, value: unknown): void => {
    values.push(value);
    conditions.push(condition(`$${values.length}`));
  };
  for (const [column, value] of [
    ['user_id', filters.userId],
    ['key_id', filters.keyId],
    ['action', filters.action],
    ['resource', filters.resource],
  ] as const) {
    if (value !== '') where((place) => `${column} = ${place}`, value);
  }
  // The second condition is the same as that of the index of refusals, so that PostgreSQL can use it.
  if (filters.outcome === 'succeeded') conditions.push(`outcome = 'succeeded'`);
  else if (filters.outcome !== '') where((place) => `outcome = ${place} AND outcome <> 'succeeded'`, filters.outcome);
  if (filters.executionId !== '') {
    // All texts that begin so: the column is sorted by its bytes, and "0" follows "/".
    where((place) => `used_by <> '' AND used_by >= ${place}`, `executions/${filters.executionId}/`);
    where((place) => `used_by < ${place}`, `executions/${filters.executionId}0`);
  }
  if (from > 0) where((place) => `id >= ${place}::uuid`, idAt(from));
  if (before > 0) where((place) => `id < ${place}::uuid`, idAt(before));
  if (after !== undefined) {
    where((place) => (oldestFirst ? `seq > ${place}::bigint` : `id < ${place}::uuid`), after);
  }
  values.push(limit + 1);
  const order = oldestFirst ? 'seq' : 'id DESC';
  return {
    text: `SELECT ${SHOWN} FROM config.audit_entries WHERE ${conditions.join(' AND ')} ORDER BY ${order} LIMIT $${values.length}`,
    values,
  };
}

/** Removes entries of all tenants that are older than $1. */
export const PRUNE_ENTRIES = 'DELETE FROM config.audit_entries WHERE at < $1::timestamptz';
/** Allows the removal in this transaction. $1: the same time. */
export const SAY_BEFORE = `SELECT set_config('batuta.audit_before', $1, true)`;
