import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What used a secret, in the audit log. */
export class AuditUses1700000000160 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE config.audit_entries ADD COLUMN used_by text COLLATE "C" NOT NULL DEFAULT ''`);
    await queryRunner.query(
      `CREATE INDEX audit_entries_used_by ON config.audit_entries (tenant_id, used_by, id) WHERE used_by <> ''`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('ALTER TABLE config.audit_entries DROP COLUMN used_by');
  }
}
