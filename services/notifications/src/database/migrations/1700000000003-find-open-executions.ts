import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Indexes for two questions: whether any callback may want an event, and which rows are old enough to be removed. */
export class FindOpenExecutions1700000000003 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    // The version before stored every execution. Reading all of them may take longer than the usual limit of a
    // statement.
    await queryRunner.query('SET LOCAL statement_timeout = 0');
    await queryRunner.query(`
      CREATE INDEX executions_open ON notifications.executions (execution_id) WHERE ended_at IS NULL`);
    await queryRunner.query(`
      CREATE INDEX executions_ended ON notifications.executions (ended_at) WHERE ended_at IS NOT NULL`);
    await queryRunner.query(`
      CREATE INDEX callbacks_enabled_config ON notifications.callbacks (config_id)
      WHERE enabled AND config_id IS NOT NULL`);
    await queryRunner.query(`
      CREATE INDEX callbacks_enabled_execution ON notifications.callbacks (execution_id)
      WHERE enabled AND execution_id IS NOT NULL`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      DROP INDEX notifications.executions_open, notifications.executions_ended,
        notifications.callbacks_enabled_config, notifications.callbacks_enabled_execution`);
  }
}
