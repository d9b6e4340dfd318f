import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The audit log, one chain for each tenant. Nobody can change its entries. Only the command for pruning removes old
 * ones, and names the time in its transaction.
 */
export class CreateAudit1700000000150 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await queryRunner.query(statement);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE config.audit_entries, config.audit_heads');
    await queryRunner.query('DROP FUNCTION config.keep_audit()');
  }
}

// Ids are UUIDv7, so their order is the order of time, and a range of times is a range of ids.
const STATEMENTS = [
  `CREATE TABLE config.audit_heads (
    tenant_id text PRIMARY KEY,
    seq bigint NOT NULL,
    link bytea NOT NULL
  )`,
  `CREATE TABLE config.audit_entries (
    tenant_id text NOT NULL,
    id uuid NOT NULL,
    seq bigint NOT NULL,
    at timestamptz NOT NULL,
    key_id text NOT NULL,
    user_id text NOT NULL,
    role text NOT NULL,
    channel text NOT NULL,
    action text NOT NULL,
    resource text NOT NULL,
    revision text NOT NULL,
    outcome text NOT NULL,
    code text NOT NULL,
    address text NOT NULL,
    request_id text NOT NULL,
    link bytea NOT NULL,
    PRIMARY KEY (tenant_id, id)
  )`,
  'CREATE UNIQUE INDEX audit_entries_chain ON config.audit_entries (tenant_id, seq)',
  'CREATE INDEX audit_entries_user ON config.audit_entries (tenant_id, user_id, id)',
  'CREATE INDEX audit_entries_key ON config.audit_entries (tenant_id, key_id, id)',
  'CREATE INDEX audit_entries_action ON config.audit_entries (tenant_id, action, id)',
  'CREATE INDEX audit_entries_resource ON config.audit_entries (tenant_id, resource, id)',
  `CREATE INDEX audit_entries_refused ON config.audit_entries (tenant_id, outcome, id) WHERE outcome <> 'succeeded'`,
  `CREATE FUNCTION config.keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF TG_OP = 'DELETE' AND (
      OLD.tenant_id = current_setting('batuta.erased_tenant', true)
      OR OLD.at < nullif(current_setting('batuta.audit_before', true), '')::timestamptz
    ) THEN
      RETURN OLD;
    END IF;
    RAISE EXCEPTION 'entries of the audit log stay as they are';
  END $$`,
  `CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON config.audit_entries
    FOR EACH ROW EXECUTE FUNCTION config.keep_audit()`,
  `CREATE TRIGGER never_emptied BEFORE TRUNCATE ON config.audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION config.keep_audit()`,
];
