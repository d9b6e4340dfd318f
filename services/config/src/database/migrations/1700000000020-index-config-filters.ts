import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Lists configs of a strategy or an owner, even rare ones, without reading all others of the tenant. */
export class IndexConfigFilters1700000000020 implements MigrationInterface {
  /** No transaction, so that configs can be written meanwhile. */
  readonly transaction = false;

  async up(queryRunner: QueryRunner): Promise<void> {
    for (const column of ['strategy', 'owner']) {
      const name = `orchestration_configs_${column}`;
      const on = `config.orchestration_configs (tenant_id, ${column === 'owner' ? 'owner_id' : column}, id DESC)`;
      // An interrupted build leaves an invalid index.
      await queryRunner.query(`DROP INDEX CONCURRENTLY IF EXISTS config.${name}`);
      await queryRunner.query(`CREATE INDEX CONCURRENTLY ${name} ON ${on}`);
    }
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP INDEX config.orchestration_configs_strategy, config.orchestration_configs_owner');
  }
}
