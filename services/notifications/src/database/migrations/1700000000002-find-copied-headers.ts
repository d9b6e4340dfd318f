import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Finds the deliveries in which the version before stored header values of their callbacks. Later versions do not store
 * them.
 */
export class FindCopiedHeaders1700000000002 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE INDEX orchestration_callbacks_copied_headers ON notifications.orchestration_callbacks (id)
      WHERE jsonb_path_exists(callback_headers, '$.* ? (@ != "***")')
        OR jsonb_path_exists(fallback, '$[*].callback_headers.* ? (@ != "***")')`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP INDEX notifications.orchestration_callbacks_copied_headers');
  }
}
