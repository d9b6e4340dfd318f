import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Agents that are made of a model instead of a pool: what the model is told, which other agents it uses, and the id of the config of the
 * executions that it works in. An agent that is deleted and made again has another id, since its revisions begin anew.
 */
export class AgentsOfModels1700000000170 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE config.agents ADD COLUMN llm json, ADD COLUMN uses text[] NOT NULL DEFAULT '{}',
      ADD COLUMN config_id uuid NOT NULL DEFAULT gen_random_uuid()`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DELETE FROM config.agents WHERE llm IS NOT NULL');
    await queryRunner.query('ALTER TABLE config.agents DROP COLUMN llm, DROP COLUMN uses, DROP COLUMN config_id');
  }
}
