import type { MigrationInterface, QueryRunner } from 'typeorm';

/** MCP servers of tenants, with the tools that an admin has consented to. Secrets are stored only by name. */
export class CreateMcpServers1700000000180 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE config.mcp_servers (
        tenant_id text NOT NULL REFERENCES config.tenants (id),
        name text NOT NULL,
        -- As the user says it.
        said jsonb NOT NULL,
        -- The tools, as they were when an admin consented to them.
        tools jsonb NOT NULL DEFAULT '[]',
        revision integer NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, name)
      )`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE config.mcp_servers');
  }
}
