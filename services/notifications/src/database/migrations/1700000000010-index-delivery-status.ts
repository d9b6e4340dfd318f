import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Lists deliveries of a status, however rare it is, without reading all others of the tenant. */
export class IndexDeliveryStatus1700000000010 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('SET LOCAL statement_timeout = 0');
    await queryRunner.query(`
      CREATE INDEX orchestration_callbacks_status ON notifications.orchestration_callbacks (tenant_id, status, id DESC)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP INDEX notifications.orchestration_callbacks_status');
  }
}
