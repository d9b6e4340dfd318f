import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The settings of a tenant. They are empty at first, so no tenant has allowed global configs. */
export class TenantSettings1700000000140 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE config.tenants ADD COLUMN settings jsonb NOT NULL DEFAULT '{}'`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    // Policies of rows read the column. The next migration of any version makes its policies again.
    await queryRunner.query('ALTER TABLE config.tenants DROP COLUMN settings CASCADE');
  }
}
