import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { POSTGRES_RIGHTS, POSTGRES_SERVICES, postgresRole } from '@batuta/contracts';
import type { PostgresService } from '@batuta/contracts';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { expectStatus } from '../support/api.js';
import { LocalPlatform } from '../support/local-platform.js';

const NO_RIGHT = '42501';

describe("a stolen password of a service's PostgreSQL role", () => {
  let platform: LocalPlatform;
  let admin: pg.Client;
  let host: string;

  const connect = async (user: string, password: string, database = 'batuta'): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: `postgres://${user}:${password}@${host}/${database}` });
    await client.connect();
    return client;
  };
  const passwordOf = (name: string): string =>
    readFileSync(join(platform.dir, 'postgres', 'passwords', name), 'utf8').trim();
  const as = (service: PostgresService): Promise<pg.Client> => connect(postgresRole(service), passwordOf(service));

  /** PostgreSQL's answer to each statement: the code of its refusal, or `done`. */
  async function outcomes(service: PostgresService, statements: readonly string[]): Promise<Record<string, string>> {
    const client = await as(service);
    const said: Record<string, string> = {};
    try {
      for (const statement of statements) {
        said[statement] = await client.query(statement).then(
          () => 'done',
          (error: { code?: string }) => error.code ?? 'lost',
        );
      }
    } finally {
      await client.end();
    }
    return said;
  }

  async function expectRefused(
    service: PostgresService,
    statements: readonly string[],
    codes = [NO_RIGHT],
  ): Promise<void> {
    const said = await outcomes(service, statements);
    expect(Object.entries(said).filter(([, code]) => !codes.includes(code))).toEqual([]);
    expect(Object.keys(said)).toHaveLength(statements.length);
  }

  beforeAll(async () => {
    platform = await LocalPlatform.start();
    const { database_url } = JSON.parse(readFileSync(join(platform.dir, 'run.json'), 'utf8')) as {
      database_url: string;
    };
    ({ host } = new URL(database_url));
    admin = new pg.Client({ connectionString: database_url });
    await admin.connect();
    const steps = [{ id: 'a', name: 'A', agent: 'echo' }];
    for (const tenant of ['acme', 'mallory']) {
      const user = await platform.user(tenant, 'admin');
      expectStatus(
        await user.post('/api/v1/orchestrations/configs', { name: 'mine', strategy: 'sequential', steps }),
        201,
      );
      expectStatus(await user.post('/api/v1/orchestrations/execute/mine?wait=60s', { input: { of: tenant } }), 200);
    }
  });

  afterAll(async () => {
    await admin?.end();
    await platform?.stop();
  });

  it('is not the password of an administrator', async () => {
    const { rows } = await admin.query<{ name: string; usename: string }>(
      `SELECT DISTINCT application_name AS name, usename FROM pg_stat_activity
       WHERE application_name LIKE 'batuta%' AND backend_type = 'client backend'`,
    );
    expect(rows.length).toBeGreaterThan(3);
    for (const { name, usename } of rows) {
      expect({ name, usename }).toEqual({
        name,
        usename: /^batuta-(config|execution|notifications)/.exec(name)?.[0]?.replace('-', '_'),
      });
    }
  });

  it.each(POSTGRES_SERVICES)('%s: cannot read or write a table of another service', async (service) => {
    const foreign = POSTGRES_SERVICES.filter((other) => other !== service).flatMap((other) =>
      Object.keys(POSTGRES_RIGHTS[other]).map((table) => `${other}.${table}`),
    );
    await expectRefused(
      service,
      foreign.flatMap((table) => [
        `SELECT * FROM ${table}`,
        `SELECT count(*) FROM ${table}`,
        `INSERT INTO ${table} DEFAULT VALUES`,
        `DELETE FROM ${table}`,
        `COPY ${table} TO STDOUT`,
      ]),
    );
  });

  it.each(POSTGRES_SERVICES)('%s: cannot change or remove a row that is written once', async (service) => {
    const kept = Object.entries(POSTGRES_RIGHTS[service]).filter(([, rights]) => !rights.includes('UPDATE'));
    for (const [table, rights] of kept) {
      const { rows } = await admin.query<{ name: string }>(
        `SELECT attname AS name FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND attgenerated = '' AND NOT attisdropped`,
        [`${service}.${table}`],
      );
      const mayChange = rights.flatMap((right) => /^UPDATE \((.*)\)$/.exec(right)?.[1]?.split(', ') ?? []);
      await expectRefused(service, [
        ...rows
          .filter(({ name }) => !mayChange.includes(name))
          .map(({ name }) => `UPDATE ${service}.${table} SET "${name}" = "${name}"`),
        ...(rights.includes('DELETE') ? [] : [`DELETE FROM ${service}.${table}`]),
        `TRUNCATE ${service}.${table}`,
      ]);
    }
    expect(kept.length).toBeGreaterThan(1);
  });

  it.each(POSTGRES_SERVICES)('%s: cannot run a program, nor read or write a file of the server', async (service) => {
    await expectRefused(
      service,
      [
        `COPY (SELECT 1) TO PROGRAM 'cat > /tmp/batuta-hostile'`,
        `COPY (SELECT 1) TO '/tmp/batuta-hostile'`,
        `SELECT pg_read_file('/etc/passwd')`,
        `SELECT pg_read_binary_file('postgresql.conf')`,
        `SELECT pg_ls_dir('.')`,
        `SELECT pg_stat_file('/etc/passwd')`,
        `SELECT pg_ls_waldir()`,
        `SELECT pg_ls_logdir()`,
        `SELECT lo_import('/etc/passwd')`,
        `SELECT lo_export(1, '/tmp/batuta-hostile')`,
        `SELECT lo_create(0)`,
        `SELECT lo_creat(-1)`,
        `SELECT lo_from_bytea(0, 'x')`,
        `LOAD '/tmp/batuta-hostile.so'`,
        `CREATE EXTENSION file_fdw SCHEMA ${service}`,
        `CREATE EXTENSION plpython3u SCHEMA ${service}`,
      ],
      // A missing file, or a name that this server does not know, has the same meaning: no access.
      [NO_RIGHT, '58P01', '0A000', '22023'],
    );
  });

  it.each(POSTGRES_SERVICES)('%s: cannot create anything that could run as somebody else', async (service) => {
    await expectRefused(
      service,
      [
        `CREATE FUNCTION ${service}.evil() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'`,
        `CREATE FUNCTION public.evil() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
        // pg_temp is a schema for each session, unless the database refuses it.
        `CREATE FUNCTION pg_temp.evil() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
        `CREATE TEMP TABLE evil (a int)`,
        `CREATE TEMP VIEW evil AS SELECT 1`,
        `CREATE VIEW ${service}.evil AS SELECT 1`,
        `CREATE TABLE ${service}.evil (a int)`,
        `CREATE SCHEMA evil`,
        `CREATE DATABASE evil`,
        `CREATE ROLE evil`,
        `DO $$ BEGIN END $$`,
        `CREATE TRIGGER evil AFTER INSERT ON ${service}.migrations EXECUTE FUNCTION suppress_redundant_updates_trigger()`,
        `CREATE RULE evil AS ON INSERT TO ${service}.migrations DO INSTEAD NOTHING`,
        `CREATE POLICY evil ON ${service}.migrations USING (true)`,
        `CREATE INDEX evil ON ${service}.migrations ((1))`,
        `CREATE EVENT TRIGGER evil ON ddl_command_start EXECUTE FUNCTION suppress_redundant_updates_trigger()`,
        `CREATE PUBLICATION evil FOR ALL TABLES`,
        `CREATE SUBSCRIPTION evil CONNECTION 'host=127.0.0.1' PUBLICATION evil`,
        `CREATE SERVER evil FOREIGN DATA WRAPPER evil`,
      ],
      [NO_RIGHT, '42704'],
    );
  });

  it.each(POSTGRES_SERVICES)(
    '%s: cannot become another role, grant rights, or disable protections',
    async (service) => {
      const others = [
        'batuta',
        'batuta_owner',
        ...POSTGRES_SERVICES.filter((other) => other !== service).map(postgresRole),
        'pg_read_server_files',
        'pg_write_server_files',
        'pg_execute_server_program',
        'pg_read_all_data',
        'pg_signal_backend',
      ];
      const own = postgresRole(service);
      await expectRefused(
        service,
        [
          ...others.flatMap((role) => [
            `SET ROLE ${role}`,
            `SET SESSION AUTHORIZATION ${role}`,
            `GRANT ${role} TO ${own}`,
          ]),
          `ALTER ROLE ${own} SUPERUSER`,
          `ALTER ROLE ${own} BYPASSRLS`,
          `ALTER ROLE batuta PASSWORD 'mine'`,
          `ALTER TABLE ${service}.migrations OWNER TO ${own}`,
          `ALTER TABLE ${service}.migrations DISABLE TRIGGER ALL`,
          `DROP TABLE ${service}.migrations`,
          `GRANT ALL ON DATABASE batuta TO PUBLIC WITH GRANT OPTION`,
          `SET session_replication_role = replica`,
          `SET log_statement = 'all'`,
          `ALTER SYSTEM SET log_statement = 'all'`,
          `SELECT pg_reload_conf()`,
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename <> current_user AND usename IS NOT NULL`,
          `SELECT rolpassword FROM pg_authid`,
          `SELECT * FROM pg_shadow`,
          `SELECT * FROM pg_hba_file_rules`,
          `CHECKPOINT`,
        ],
        [NO_RIGHT, '0LP01'],
      );
    },
  );

  it.each(POSTGRES_SERVICES)('%s: cannot connect to another database of the server', async (service) => {
    for (const database of ['postgres', 'template1']) {
      await expect(connect(postgresRole(service), passwordOf(service), database)).rejects.toMatchObject({
        code: NO_RIGHT,
      });
    }
  });

  it.each(POSTGRES_SERVICES)('%s: cannot see statements of another role', async (service) => {
    const client = await as(service);
    const { rows } = await client.query<{ query: string }>(
      `SELECT DISTINCT query FROM pg_stat_activity WHERE usename IS NOT NULL AND usename <> current_user`,
    );
    await client.end();
    expect(rows).toEqual([{ query: '<insufficient privilege>' }]);
  });

  it('does not work for another service or the administrator', async () => {
    for (const user of ['batuta', 'batuta_owner', 'batuta_config', 'batuta_notifications']) {
      await expect(connect(user, passwordOf('execution'))).rejects.toMatchObject({ code: '28P01' });
    }
  });
});
