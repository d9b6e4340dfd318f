import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Finds the inbox entries of a deleted execution. */
export class IndexInboxExecutions1700000000030 implements MigrationInterface {
  /** No transaction, so that inboxes can be written meanwhile. */
  readonly transaction = false;

  async up(queryRunner: QueryRunner): Promise<void> {
    // An interrupted build leaves an invalid index.
    await queryRunner.query('DROP INDEX CONCURRENTLY IF EXISTS notifications.inbox_execution');
    await queryRunner.query('CREATE INDEX CONCURRENTLY inbox_execution ON notifications.inbox (execution_id)');
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP INDEX notifications.inbox_execution');
  }
}
