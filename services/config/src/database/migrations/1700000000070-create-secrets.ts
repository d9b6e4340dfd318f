import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Named secrets of tenants. The stored values can be read only with a key of the platform. */
export class CreateSecrets1700000000070 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE config.secrets (
        tenant_id text NOT NULL REFERENCES config.tenants (id),
        name text NOT NULL,
        -- Of this life of the name: no value of an earlier one fits in its place.
        id uuid NOT NULL,
        version integer NOT NULL,
        description text NOT NULL,
        wrapped_key text NOT NULL,
        sealed text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        updated_by text NOT NULL,
        last_used_at timestamptz,
        PRIMARY KEY (tenant_id, name)
      )`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE config.secrets');
  }
}
