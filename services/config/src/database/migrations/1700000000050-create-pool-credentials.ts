import type { MigrationInterface, QueryRunner } from 'typeorm';

/** NATS credentials that were given to workers of pools. */
export class CreatePoolCredentials1700000000050 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE config.pool_credentials (
        id uuid PRIMARY KEY,
        tenant_id text NOT NULL REFERENCES config.tenants (id),
        pool text NOT NULL,
        name text NOT NULL,
        public_key text NOT NULL UNIQUE,
        created_by text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL,
        revoked_at timestamptz
      )`);
    await queryRunner.query(
      'CREATE INDEX pool_credentials_of_pool ON config.pool_credentials (tenant_id, pool, id DESC)',
    );
    await queryRunner.query(
      'CREATE INDEX pool_credentials_revoked ON config.pool_credentials (expires_at) WHERE revoked_at IS NOT NULL',
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE config.pool_credentials');
  }
}
