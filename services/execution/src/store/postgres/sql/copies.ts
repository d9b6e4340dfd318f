/** $1 config id, $2 version. */
export const READ_CONFIG = `SELECT definition FROM execution.config_versions WHERE config_id = $1 AND version = $2`;

/** $1 config id, $2 version, $3 tenant, $4 definition as JSON text. */
export const WRITE_CONFIG = `
INSERT INTO execution.config_versions (config_id, version, tenant_id, definition) VALUES ($1, $2, $3, $4::jsonb)
ON CONFLICT (config_id, version) DO NOTHING`;

/** $1 tenant, $2 agent. */
export const READ_AGENT = `SELECT pool, input_schema, output_schema, model FROM execution.agents WHERE tenant_id = $1 AND name = $2`;

/** $1 tenant, $2 agent, $3 pool, $4 input schema, $5 output schema, $6 model: as JSON text, NULL for none. */
export const WRITE_AGENT = `
INSERT INTO execution.agents (tenant_id, name, pool, input_schema, output_schema, model)
VALUES ($1, $2, $3, $4::jsonb, $5::jsonb, $6::jsonb)
ON CONFLICT (tenant_id, name) DO UPDATE SET
  pool = excluded.pool, input_schema = excluded.input_schema, output_schema = excluded.output_schema,
  model = excluded.model`;
