import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Every text of one to three letters in the name, together with the tenant. An index of these finds names by any part.
 */
const PARTS = "config.name_parts(tenant_id, name, '{1,2,3}')";

/**
 * Lists the configs whose name contains a text without reading all names. pg_trgm does that too, but not every server
 * has it, and it cannot find one or two letters.
 */
export class IndexPartsOfNames1700000000060 implements MigrationInterface {
  readonly name = 'IndexPartsOfNames1700000000060';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('SET LOCAL statement_timeout = 0');
    await queryRunner.query(`
      CREATE FUNCTION config.name_parts(tenant text, name text, sizes integer[]) RETURNS text[]
      LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT coalesce(array_agg(DISTINCT tenant || '/' || substr(lowered, at, size)), '{}')
        FROM (SELECT lower(name) AS lowered) AS given, unnest(sizes) AS size,
          LATERAL generate_series(1, char_length(lowered) - size + 1) AS at
      $$`);
    // Otherwise a plan that reads every name looks cheap, although it computes the parts of each name.
    await queryRunner.query('ALTER FUNCTION config.name_parts(text, text, integer[]) COST 10000');
    await queryRunner.query(
      `CREATE INDEX orchestration_configs_name_parts ON config.orchestration_configs USING gin (${PARTS})`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP INDEX config.orchestration_configs_name_parts');
    await queryRunner.query('DROP FUNCTION config.name_parts(text, text, integer[])');
  }
}
