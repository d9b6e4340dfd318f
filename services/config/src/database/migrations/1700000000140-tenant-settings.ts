import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a tenant has chosen for itself. Nobody has chosen anything so far, so nobody has allowed global configs. */
export class TenantSettings1700000000140 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE config.tenants ADD COLUMN settings jsonb NOT NULL DEFAULT '{}'`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    // Policies of rows read it; the next migration of any version makes those that it has.
    await queryRunner.query('ALTER TABLE config.tenants DROP COLUMN settings CASCADE');
  }
}
