import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Lists deliveries of a status, even a rare one, without reading all others of the tenant. */
export class IndexDeliveryStatus1700000000010 implements MigrationInterface {
  /** No transaction, so that deliveries can be written meanwhile. */
  readonly transaction = false;

  async up(queryRunner: QueryRunner): Promise<void> {
    // An interrupted build leaves an invalid index.
    await queryRunner.query('DROP INDEX CONCURRENTLY IF EXISTS notifications.orchestration_callbacks_status');
    await queryRunner.query(`
      CREATE INDEX CONCURRENTLY orchestration_callbacks_status ON notifications.orchestration_callbacks (tenant_id, status, id DESC)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP INDEX notifications.orchestration_callbacks_status');
  }
}
