import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Models of tenants: a name for a provider and its model. A key is stored only as the name of its secret. */
export class CreateModels1700000000080 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE config.models (
        tenant_id text NOT NULL REFERENCES config.tenants (id),
        name text NOT NULL,
        -- As the user says it.
        said jsonb NOT NULL,
        revision integer NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, name)
      )`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE config.models');
  }
}
