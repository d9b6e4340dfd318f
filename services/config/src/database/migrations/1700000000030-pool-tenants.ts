import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The tenants that may have agents in a pool of workers. */
export class PoolTenants1700000000030 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`CREATE TABLE config.pool_tenants (
      pool text NOT NULL,
      tenant_id text NOT NULL,
      claimed_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (pool, tenant_id)
    )`);
    await queryRunner.query('CREATE INDEX pool_tenants_tenant ON config.pool_tenants (tenant_id)');
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE config.pool_tenants');
  }
}
