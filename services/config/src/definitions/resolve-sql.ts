import { DEFAULT_TENANT } from '@batuta/contracts';

/** Whether others than its own tenant see a config: the platform's tenant alone publishes, and not what it deleted. */
export const PUBLISHED = (config: string, tenantColumn = 'tenant_id', globalColumn = 'is_global'): string =>
  `(${config}.${globalColumn} AND ${config}.${tenantColumn} = '${DEFAULT_TENANT}')`;

export interface ResolvedRow {
  readonly config_id: string;
  readonly version: number;
  readonly has_input_schema: boolean;
}

// Written by hand because every start of an execution asks this: two queries through the mapper cost three times as much.
const resolveBy = (condition: string): string => `
  SELECT c.id AS config_id, c.version, v.has_input_schema
  FROM config.orchestration_configs c
  JOIN config.orchestration_config_versions v ON v.config_id = c.id AND v.version = c.version
  WHERE ${condition} AND c.deleted_at IS NULL AND (c.tenant_id = $2 OR ${PUBLISHED('c')})
  ORDER BY c.tenant_id = $2 DESC
  LIMIT 1`;

/** $1: id, $2: tenant. */
export const RESOLVE_ID = { name: 'resolve-config-id', text: resolveBy('c.id = $1::uuid') };

/** $1: name, $2: tenant, whose own config comes before a global one. */
export const RESOLVE_NAME = { name: 'resolve-config-name', text: resolveBy('c.name = $1') };
