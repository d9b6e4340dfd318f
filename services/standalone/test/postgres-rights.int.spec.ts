import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrateAsOwner as migrateConfig } from '@batuta/config';
import {
  POSTGRES_OWNER,
  POSTGRES_RIGHTS,
  POSTGRES_SERVICES,
  postgresRole,
  postgresTenantRole,
} from '@batuta/contracts';
import { migrateEventStore } from '@batuta/event-store';
import { startPostgres } from '@batuta/local-stack';
import type { PostgresServer } from '@batuta/local-stack';
import { migrateAsOwner as migrateNotifications } from '@batuta/notifications';
import { databaseUrlOf, Secret } from '@batuta/settings';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';

// Roles belong to the whole server, so this test has its own server.
let home: string;
let server: PostgresServer;
let admin: pg.Client;
let tables: string[];

/** Every right on a table in PostgreSQL. */
const WHOLE = ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN'];
const OF_COLUMNS = ['SELECT', 'INSERT', 'UPDATE', 'REFERENCES'];

const urlOf = (service: string): Secret =>
  databaseUrlOf(
    {
      databaseUrl: new Secret(server.environment.DATABASE_URL),
      databasePasswordFile: server.environment.DATABASE_PASSWORD_FILE,
    },
    service,
  );

async function migrateAll(ownerUrl: string): Promise<void> {
  await migrateConfig(new Secret(ownerUrl));
  await migrateEventStore(ownerUrl);
  await migrateNotifications(new Secret(ownerUrl));
}

/** The rights of a role on a table, in the words of the guide. */
async function rightsOf(role: string, table: string): Promise<string[]> {
  const rights: string[] = [];
  for (const right of WHOLE) {
    const { rows } = await admin.query<{ may: boolean }>('SELECT has_table_privilege($1, $2, $3) AS may', [
      role,
      table,
      right,
    ]);
    if (rows[0]?.may === true) {
      rights.push(right);
      continue;
    }
    if (!OF_COLUMNS.includes(right)) continue;
    const columns = await admin.query<{ name: string }>(
      `SELECT attname AS name FROM pg_attribute WHERE attrelid = $2::regclass AND attnum > 0 AND NOT attisdropped
       AND has_column_privilege($1, $2, attname, $3) ORDER BY attname`,
      [role, table, right],
    );
    if (columns.rows.length > 0) rights.push(`${right} (${columns.rows.map(({ name }) => name).join(', ')})`);
  }
  return rights;
}

/** The table in the guide: rights by table, for the service that owns the schema. */
function documented(): Map<string, string> {
  const guide = readFileSync(join(import.meta.dirname, '../../../docs/operations.md'), 'utf8');
  const chapter = guide.slice(guide.indexOf('\n## Roles of PostgreSQL\n'));
  const rows = [...chapter.matchAll(/^\| `((?:config|execution|notifications)\.\w+)` \| ([^|]+) \|$/gm)];
  return new Map(rows.map(([, table = '', rights = '']) => [table, rights.replaceAll('`', '').trim()]));
}

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'batuta-rights-'));
  server = await startPostgres({ home, ephemeral: true });
  await migrateAll(server.environment.DATABASE_OWNER_URL);
  admin = new pg.Client({ connectionString: server.url });
  await admin.connect();
  const { rows } = await admin.query<{ name: string }>(
    `SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname = ANY($1) ORDER BY 1`,
    [POSTGRES_SERVICES],
  );
  tables = rows.map(({ name }) => name);
}, 300_000);

afterAll(async () => {
  await admin?.end();
  await server?.stop();
  rmSync(home, { recursive: true, force: true });
});

describe('the roles of PostgreSQL', () => {
  it('have a line in the guide’s table of rights for each table of the migrations', () => {
    const listed = POSTGRES_SERVICES.flatMap((service) =>
      Object.keys(POSTGRES_RIGHTS[service]).map((table) => `${service}.${table}`),
    );
    const missing = tables.filter((table) => !listed.includes(table));
    if (missing.length > 0) {
      throw new Error(
        `No service may use ${missing.join(', ')} yet. Add ${missing.length === 1 ? 'the table' : 'the tables'} with the rights that the ` +
          'service uses to POSTGRES_RIGHTS in libs/contracts/src/postgres-rights.ts, and to "Roles of PostgreSQL" in docs/operations.md.',
      );
    }
    expect(listed.toSorted()).toEqual(tables);
  });

  it('have exactly the rights in the guide, on every table of every schema', async () => {
    const guide = documented();
    expect([...guide.keys()].toSorted()).toEqual(tables);
    for (const table of tables) {
      for (const service of POSTGRES_SERVICES) {
        const rights = await rightsOf(postgresRole(service), table);
        const expected = table.startsWith(`${service}.`) ? (guide.get(table) ?? '') : '';
        expect({ table, service, rights: rights.join(', ') }).toEqual({ table, service, rights: expected });
      }
    }
  });

  it('have no attribute of an administrator, and are members only of the role for tenants’ requests', async () => {
    const { rows } = await admin.query(
      `SELECT rolname, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls AS more,
         ARRAY(SELECT roleid::regrole::text FROM pg_auth_members m WHERE m.member = r.oid) AS member_of
       FROM pg_roles r WHERE rolname LIKE 'batuta\\_%' ORDER BY rolname`,
    );
    expect(rows).toEqual(
      [
        { rolname: POSTGRES_OWNER, more: false, member_of: [] },
        ...POSTGRES_SERVICES.flatMap((service) => [
          { rolname: postgresRole(service), more: false, member_of: [postgresTenantRole(service)] },
          { rolname: postgresTenantRole(service), more: false, member_of: [] },
        ]),
      ].toSorted((a, b) => (a.rolname < b.rolname ? -1 : 1)),
    );
  });

  it('own nothing, except the owner, which owns everything in the schemas', async () => {
    const { rows } = await admin.query(
      `SELECT DISTINCT owner::regrole::text AS owner FROM (
         SELECT relowner AS owner FROM pg_class WHERE relnamespace::regnamespace::text = ANY($1)
         UNION ALL SELECT proowner FROM pg_proc WHERE pronamespace::regnamespace::text = ANY($1)
         UNION ALL SELECT nspowner FROM pg_namespace WHERE nspname = ANY($1)) AS all_of_them`,
      [POSTGRES_SERVICES],
    );
    expect(rows).toEqual([{ owner: POSTGRES_OWNER }]);
  });

  it('cannot create anything: no table, temporary table, function, schema, large object or block of code', async () => {
    for (const service of POSTGRES_SERVICES) {
      const client = new pg.Client({ connectionString: urlOf(service).reveal() });
      await client.connect();
      try {
        for (const statement of [
          `CREATE TABLE ${service}.mine (a int)`,
          'CREATE TABLE public.mine (a int)',
          'CREATE TEMP TABLE mine (a int)',
          'CREATE SCHEMA mine',
          `CREATE FUNCTION ${service}.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
          'SELECT lo_create(0)',
          "SELECT lo_from_bytea(0, 'x')",
          'DO $$ BEGIN END $$',
        ]) {
          await expect(client.query(statement)).rejects.toMatchObject({ code: '42501' });
        }
      } finally {
        await client.end();
      }
    }
  });
});

describe('a database of a version that had one role for all', () => {
  it('belongs to the owner after the next start, and its services have their rights', async () => {
    const old = mkdtempSync(join(tmpdir(), 'batuta-rights-old-'));
    try {
      const first = await startPostgres({ home: old });
      // The state of the version before: no roles, and the administrator made everything.
      const before = new pg.Client({ connectionString: first.url });
      await before.connect();
      await before.query(`GRANT CONNECT ON DATABASE batuta TO PUBLIC`);
      const roles = POSTGRES_SERVICES.flatMap((service) => [postgresRole(service), postgresTenantRole(service)]);
      for (const role of [POSTGRES_OWNER, ...roles]) {
        await before.query(`DROP OWNED BY ${role}`);
        await before.query(`DROP ROLE ${role}`);
      }
      await before.end();
      await migrateAll(first.url);
      await first.stop();
      rmSync(join(old, 'passwords'), { recursive: true });

      const second = await startPostgres({ home: old });
      try {
        await migrateAll(second.environment.DATABASE_OWNER_URL);
        const client = new pg.Client({ connectionString: second.url });
        await client.connect();
        const owners = await client.query(
          `SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname IN ('config', 'execution', 'notifications')`,
        );
        expect(owners.rows).toEqual([{ tableowner: POSTGRES_OWNER }]);
        const { rows } = await client.query(
          `SELECT has_table_privilege('batuta_execution', 'execution.events', 'INSERT') AS appends,
             has_table_privilege('batuta_execution', 'execution.events', 'UPDATE') AS changes`,
        );
        expect(rows).toEqual([{ appends: true, changes: false }]);
        await client.end();
      } finally {
        await second.stop();
      }
    } finally {
      rmSync(old, { recursive: true, force: true });
    }
  }, 300_000);
});

describe('a service whose schema is too old', () => {
  it('says what to run, when it may not change the schema itself', async () => {
    await admin.query('CREATE DATABASE empty');
    const url = new URL(urlOf('execution').reveal());
    url.pathname = '/empty';
    await expect(migrateEventStore(url.href)).rejects.toThrow(
      /older than this version.*migrate\.js.*DATABASE_OWNER_URL/,
    );
    const other = new URL(urlOf('config').reveal());
    other.pathname = '/empty';
    await expect(migrateConfig(new Secret(other.href))).rejects.toThrow(/schema config.*older than this version/);
  });
});
