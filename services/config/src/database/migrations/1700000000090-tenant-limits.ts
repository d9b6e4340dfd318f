import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a tenant may use, where the platform's admin has set it. */
export class TenantLimits1700000000090 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      ALTER TABLE config.tenants
        ADD COLUMN limits jsonb NOT NULL DEFAULT '{}',
        ADD COLUMN revision integer NOT NULL DEFAULT 1`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('ALTER TABLE config.tenants DROP COLUMN limits, DROP COLUMN revision');
  }
}
