import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Tables of configs, agents, tenants, keys and the knowledge base. */
export class CreateConfigSchema1700000000001 implements MigrationInterface {
  readonly name = 'CreateConfigSchema1700000000001';

  async up(queryRunner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await queryRunner.query(statement);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      DROP TABLE config.knowledge_passages, config.knowledge_documents, config.agents, config.api_keys,
        config.orchestration_config_versions, config.orchestration_configs, config.tenants`);
    await queryRunner.query('DROP FUNCTION config.refuse_change()');
  }
}

const STATEMENTS = [
  `CREATE TABLE config.tenants (
    id text PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now()
  )`,
  `CREATE TABLE config.api_keys (
    id uuid PRIMARY KEY,
    tenant_id text NOT NULL REFERENCES config.tenants,
    user_id text NOT NULL,
    role text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    name text NOT NULL,
    key_hash text NOT NULL,
    prefix text NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz
  )`,
  'CREATE UNIQUE INDEX api_keys_hash ON config.api_keys (key_hash)',
  'CREATE INDEX api_keys_tenant ON config.api_keys (tenant_id, id DESC)',

  `CREATE TABLE config.orchestration_configs (
    id uuid PRIMARY KEY,
    name varchar(255) NOT NULL,
    description text NOT NULL,
    strategy text NOT NULL,
    steps jsonb NOT NULL,
    settings jsonb NOT NULL,
    metadata jsonb NOT NULL,
    owner_id text NOT NULL,
    tenant_id text NOT NULL,
    is_global boolean NOT NULL,
    agents text[] NOT NULL,
    version integer NOT NULL,
    is_active boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
  )`,
  'CREATE UNIQUE INDEX orchestration_configs_name ON config.orchestration_configs (tenant_id, name) WHERE deleted_at IS NULL',
  // Other tenants find a global config only by its name.
  `CREATE UNIQUE INDEX orchestration_configs_global_name ON config.orchestration_configs (name)
    WHERE is_global AND deleted_at IS NULL`,
  'CREATE INDEX orchestration_configs_tenant ON config.orchestration_configs (tenant_id, id DESC)',
  'CREATE INDEX orchestration_configs_global ON config.orchestration_configs (id DESC) WHERE is_global AND deleted_at IS NULL',
  'CREATE INDEX orchestration_configs_agents ON config.orchestration_configs USING gin (agents) WHERE deleted_at IS NULL',

  // json and not jsonb, so that users get the document back with its keys in the original order.
  `CREATE TABLE config.orchestration_config_versions (
    config_id uuid NOT NULL REFERENCES config.orchestration_configs,
    version integer NOT NULL,
    tenant_id text NOT NULL,
    is_global boolean NOT NULL,
    definition json NOT NULL,
    definition_bytes integer NOT NULL,
    has_input_schema boolean NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (config_id, version)
  )`,
  `CREATE FUNCTION config.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION 'rows of % are immutable', TG_TABLE_NAME;
    END $$`,
  // Running executions rely on the version that they started with.
  `CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON config.orchestration_config_versions
    FOR EACH ROW EXECUTE FUNCTION config.refuse_change()`,

  `CREATE TABLE config.agents (
    tenant_id text NOT NULL,
    name text NOT NULL,
    pool text NOT NULL,
    description text NOT NULL,
    input_schema json,
    output_schema json,
    revision integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, name)
  )`,

  `CREATE TABLE config.knowledge_documents (
    id uuid PRIMARY KEY,
    tenant_id text NOT NULL,
    source text NOT NULL,
    title text NOT NULL,
    content_type text NOT NULL,
    content_hash text NOT NULL,
    content_bytes integer NOT NULL,
    passages integer NOT NULL,
    metadata json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
  )`,
  'CREATE UNIQUE INDEX knowledge_documents_source ON config.knowledge_documents (tenant_id, source)',
  'CREATE INDEX knowledge_documents_tenant ON config.knowledge_documents (tenant_id, id DESC)',
  // Title weighs more than headings, and headings more than text. "english" stems English words and leaves words of
  // other languages unchanged.
  `CREATE TABLE config.knowledge_passages (
    document_id uuid NOT NULL REFERENCES config.knowledge_documents ON DELETE CASCADE,
    passage_index integer NOT NULL,
    tenant_id text NOT NULL,
    title text NOT NULL,
    headings jsonb NOT NULL,
    heading_text text NOT NULL,
    text text NOT NULL,
    first_line integer NOT NULL,
    last_line integer NOT NULL,
    search tsvector NOT NULL GENERATED ALWAYS AS (
      setweight(to_tsvector('english'::regconfig, title), 'B')
      || setweight(to_tsvector('english'::regconfig, heading_text), 'A')
      || setweight(to_tsvector('english'::regconfig, text), 'D')
    ) STORED,
    PRIMARY KEY (document_id, passage_index)
  )`,
  'CREATE INDEX knowledge_passages_search ON config.knowledge_passages USING gin (search)',
  'CREATE INDEX knowledge_passages_tenant ON config.knowledge_passages (tenant_id)',
];
