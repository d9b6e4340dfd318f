import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Versions of configs stay immutable, except when their tenant is erased. That transaction names the tenant. */
export class EraseVersions1700000000130 implements MigrationInterface {
  readonly name = 'EraseVersions1700000000130';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE OR REPLACE FUNCTION config.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF TG_OP = 'DELETE' AND to_jsonb(OLD)->>'tenant_id' = current_setting('batuta.erased_tenant', true) THEN
          RETURN OLD;
        END IF;
        RAISE EXCEPTION 'rows of % are immutable', TG_TABLE_NAME;
      END $$`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE OR REPLACE FUNCTION config.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION 'rows of % are immutable', TG_TABLE_NAME;
      END $$`);
  }
}
