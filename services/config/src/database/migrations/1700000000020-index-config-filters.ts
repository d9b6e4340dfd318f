import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Lists configs of a strategy or an owner, however rare they are, without reading all others of the tenant. */
export class IndexConfigFilters1700000000020 implements MigrationInterface {
  /** Configs are written meanwhile. */
  readonly transaction = false;

  async up(queryRunner: QueryRunner): Promise<void> {
    for (const column of ['strategy', 'owner']) {
      const name = `orchestration_configs_${column}`;
      const on = `config.orchestration_configs (tenant_id, ${column === 'owner' ? 'owner_id' : column}, id DESC)`;
      // Left by a build that was cut short.
      await queryRunner.query(`DROP INDEX CONCURRENTLY IF EXISTS config.${name}`);
      await queryRunner.query(`CREATE INDEX CONCURRENTLY ${name} ON ${on}`);
    }
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP INDEX config.orchestration_configs_strategy, config.orchestration_configs_owner');
  }
}
