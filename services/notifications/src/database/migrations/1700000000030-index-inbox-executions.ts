import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Finds what inboxes keep of an execution that was deleted. */
export class IndexInboxExecutions1700000000030 implements MigrationInterface {
  /** Inboxes are written meanwhile. */
  readonly transaction = false;

  async up(queryRunner: QueryRunner): Promise<void> {
    // Left by a build that was cut short.
    await queryRunner.query('DROP INDEX CONCURRENTLY IF EXISTS notifications.inbox_execution');
    await queryRunner.query('CREATE INDEX CONCURRENTLY inbox_execution ON notifications.inbox (execution_id)');
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP INDEX notifications.inbox_execution');
  }
}
