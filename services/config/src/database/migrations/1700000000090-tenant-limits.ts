import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The limits of tenants that an admin of the platform has set. */
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
