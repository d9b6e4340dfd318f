import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Lists configs of a strategy or an owner, however rare they are, without reading all others of the tenant. */
export class IndexConfigFilters1700000000020 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('SET LOCAL statement_timeout = 0');
    await queryRunner.query(
      'CREATE INDEX orchestration_configs_strategy ON config.orchestration_configs (tenant_id, strategy, id DESC)',
    );
    await queryRunner.query(
      'CREATE INDEX orchestration_configs_owner ON config.orchestration_configs (tenant_id, owner_id, id DESC)',
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP INDEX config.orchestration_configs_strategy, config.orchestration_configs_owner');
  }
}
