import { DEFAULT_TENANT } from '@batuta/contracts';

/**
 * Whether a tenant has allowed global configs. `tenant`: a parameter of the statement. This is one lookup, and none
 * when no global config is found.
 */
const ALLOWS_GLOBAL = (tenant: string): string =>
  `(SELECT t.settings @> '{"globalConfigs": true}' FROM config.tenants t WHERE t.id = ${tenant})`;

/**
 * Whether tenants other than the owner see a config: only the platform's tenant publishes, and only tenants that have
 * allowed it see published configs. `tenant`: the parameter with the asking tenant.
 */
export const PUBLISHED = (
  config: string,
  tenant: string,
  tenantColumn = 'tenant_id',
  globalColumn = 'is_global',
): string =>
  `(${config}.${globalColumn} AND ${config}.${tenantColumn} = '${DEFAULT_TENANT}' AND ${ALLOWS_GLOBAL(tenant)})`;

export interface ResolvedRow {
  readonly config_id: string;
  readonly version: number;
  readonly has_input_schema: boolean;
}

// Handwritten SQL, because every start of an execution runs it, and two queries through the ORM cost three times as
// much.
const resolveBy = (condition: string): string => `
  SELECT c.id AS config_id, c.version, v.has_input_schema
  FROM config.orchestration_configs c
  JOIN config.orchestration_config_versions v ON v.config_id = c.id AND v.version = c.version
  WHERE ${condition} AND c.deleted_at IS NULL AND (c.tenant_id = $2 OR ${PUBLISHED('c', '$2')})
  ORDER BY c.tenant_id = $2 DESC
  LIMIT 1`;

/** $1: id, $2: tenant. */
export const RESOLVE_ID = { name: 'resolve-config-id', text: resolveBy('c.id = $1::uuid') };

/** $1: name, $2: tenant, whose own config comes before a global one. */
export const RESOLVE_NAME = { name: 'resolve-config-name', text: resolveBy('c.name = $1') };

/**
 * $1: id, $2: tenant, $3: version, $4: whether deleted configs count too. Versions from before the config was published
 * belong to its tenant only.
 */
export const RESOLVE_VERSION = {
  name: 'resolve-config-version',
  text: `
  SELECT v.config_id, v.version, v.has_input_schema
  FROM config.orchestration_config_versions v
  JOIN config.orchestration_configs c ON c.id = v.config_id
  WHERE v.config_id = $1::uuid AND v.version = $3::int AND (c.deleted_at IS NULL OR $4::boolean)
    AND (v.tenant_id = $2 OR (${PUBLISHED('v', '$2')} AND ${PUBLISHED('c', '$2')}))`,
};

/**
 * $1: names and ids, $2: tenant. For each config that the tenant may start: whether it is published. Its own configs
 * come before global ones.
 */
export const KNOWN_CONFIGS = `
  SELECT DISTINCT ON (asked.text) asked.text AS asked, (c.is_global AND c.tenant_id = '${DEFAULT_TENANT}') AS is_global
  FROM unnest($1::text[]) AS asked(text)
  JOIN config.orchestration_configs c ON (c.name = asked.text OR c.id::text = lower(asked.text))
  WHERE c.deleted_at IS NULL AND (c.tenant_id = $2 OR ${PUBLISHED('c', '$2')})
  ORDER BY asked.text, c.tenant_id = $2 DESC`;

/** How many names are compared for a suggestion. */
const MOST_NAMES = 1_000;

/** $1: tenant. */
export const CONFIG_NAMES = `
  SELECT c.name FROM config.orchestration_configs c
  WHERE c.deleted_at IS NULL AND (c.tenant_id = $1 OR ${PUBLISHED('c', '$1')})
  ORDER BY c.created_at DESC LIMIT ${MOST_NAMES}`;
