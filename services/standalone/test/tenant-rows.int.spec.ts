import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrateAsOwner as migrateConfig } from '@batuta/config';
import {
  POSTGRES_OWNER,
  POSTGRES_RIGHTS,
  POSTGRES_ROWS,
  POSTGRES_SERVICES,
  newId,
  postgresRole,
  postgresTenantRole,
  secureRows,
  tenantRights,
} from '@batuta/contracts';
import type { PostgresService } from '@batuta/contracts';
import { PostgresEventStore, PostgresStreams, migrateEventStore } from '@batuta/event-store';
import { startPostgres } from '@batuta/local-stack';
import type { PostgresServer } from '@batuta/local-stack';
import { migrateAsOwner as migrateNotifications } from '@batuta/notifications';
import { tenantPool } from '@batuta/service';
import type { TenantPool } from '@batuta/service';
import { databaseUrlOf, Secret } from '@batuta/settings';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';

// Roles belong to the whole server, so this test has its own server.
let home: string;
let server: PostgresServer;
let admin: pg.Client;
const pools = new Map<PostgresService, TenantPool>();

const NO_RIGHT = '42501';
const ALL = POSTGRES_SERVICES.flatMap((service) =>
  Object.keys(POSTGRES_ROWS[service]).map((table) => ({ service, table, name: `${service}.${table}` })),
);
const OF_TENANTS = ALL.filter(({ service, table }) => !('platform' in (POSTGRES_ROWS[service][table] ?? {})));

const urlOf = (service: PostgresService): Secret =>
  databaseUrlOf(
    {
      databaseUrl: new Secret(server.environment.DATABASE_URL),
      databasePasswordFile: server.environment.DATABASE_PASSWORD_FILE,
    },
    service,
  );
const poolOf = (service: PostgresService): TenantPool => {
  const pool = pools.get(service);
  if (pool === undefined) throw new Error(`no pool of ${service}`);
  return pool;
};

async function migrateAll(ownerUrl: string): Promise<void> {
  await migrateConfig(new Secret(ownerUrl));
  await migrateEventStore(ownerUrl);
  await migrateNotifications(new Secret(ownerUrl));
}

/** The ids of each tenant's rows. */
const ids = { alice: newId(), bob: newId() } as const;
type Tenant = keyof typeof ids;
const other: Record<Tenant, Tenant> = { alice: 'bob', bob: 'alice' };
/** A config that the platform's own tenant has published. */
const published = newId();

/**
 * Adds one row of a tenant to every table. The administrator derives the values from PostgreSQL's catalog of columns.
 */
async function fill(tenant: Tenant): Promise<void> {
  const id = ids[tenant];
  const given: Record<string, unknown> = {
    tenant_id: tenant,
    id,
    execution_id: id,
    config_id: id,
    document_id: id,
    delivery_id: id,
    callback_id: null,
    approval_tenant_id: null,
    destination: `webhook ${tenant} https://${tenant}.example`,
    version: 1,
    is_global: false,
    callback_type: 'webhook',
    status: 'pending',
    role: 'viewer',
    outcome: 'running',
    older_than_ms: 1,
    kind: 'agent',
    reducer_version: 1,
    key_hash: tenant,
    public_key: tenant,
    trace_id: tenant,
    position: tenant === 'alice' ? 1 : 2,
    after_position: 0,
  };
  // Tables that others refer to come first.
  const first = ['tenants', 'orchestration_configs', 'knowledge_documents', 'callbacks', 'orchestration_callbacks'];
  const rank = (table: string): number => (first.includes(table) ? first.indexOf(table) : first.length);
  for (const { table, name } of OF_TENANTS.toSorted((a, b) => rank(a.table) - rank(b.table))) {
    const { rows } = await admin.query<{ name: string; type: string }>(
      `SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute a
       WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
         AND (attnotnull AND NOT atthasdef OR attname = ANY($2))`,
      [name, Object.keys(given)],
    );
    const columns = rows.map(({ name: column }) => column);
    const values = rows.map(({ name: column, type }) => {
      if (table === 'tenants' && column === 'id') return tenant;
      if (table === 'callbacks' && column === 'execution_id') return null;
      return column in given ? given[column] : valueOf(type, `${tenant}'s`);
    });
    await admin.query(
      `INSERT INTO ${name} (${columns.map((column) => `"${column}"`).join(', ')})
       VALUES (${columns.map((_, index) => `$${index + 1}`).join(', ')})`,
      values,
    );
  }
}

function valueOf(type: string, text: string): unknown {
  if (type === 'uuid') return newId();
  if (type.startsWith('timestamp')) return new Date();
  if (type === 'boolean') return false;
  if (type === 'json' || type === 'jsonb') return '{}';
  if (type.endsWith('[]')) return [];
  if (/int|double|numeric/.test(type)) return 1;
  return text;
}

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'batuta-rows-'));
  server = await startPostgres({ home, ephemeral: true });
  await migrateAll(server.environment.DATABASE_OWNER_URL);
  admin = new pg.Client({ connectionString: server.url });
  await admin.connect();
  for (const service of POSTGRES_SERVICES) {
    const pool = tenantPool(pg, service, { connectionString: urlOf(service).reveal(), max: 2 });
    // The server may end before the last connection is closed.
    pool.on('error', () => undefined);
    pools.set(service, pool);
  }
  await fill('alice');
  await fill('bob');
  await admin.query(
    `INSERT INTO config.orchestration_configs (id, name, description, strategy, steps, settings, metadata, owner_id, tenant_id,
       is_global, agents, version, is_active)
     VALUES ($1, 'for all', '', 'sequential', '[]', '{}', '{}', 'x', 'default', true, '{}', 1, true),
       ($2, 'for itself', '', 'sequential', '[]', '{}', '{}', 'x', 'default', false, '{}', 1, true)`,
    [published, newId()],
  );
}, 300_000);

afterAll(async () => {
  for (const pool of pools.values()) await pool.end();
  await admin?.end();
  await server?.stop();
  if (home !== undefined) rmSync(home, { recursive: true, force: true });
});

describe('the tables of the services', () => {
  it('each name the tenant of their rows', async () => {
    const { rows } = await admin.query<{ name: string }>(
      `SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname = ANY($1) ORDER BY 1`,
      [POSTGRES_SERVICES],
    );
    const listed = ALL.map(({ name }) => name);
    const missing = rows.map(({ name }) => name).filter((name) => !listed.includes(name));
    if (missing.length > 0) {
      throw new Error(
        `Nobody has said whose the rows of ${missing.join(', ')} are: add each to POSTGRES_ROWS in libs/contracts/src/postgres-tenants.ts.`,
      );
    }
    expect(listed.toSorted()).toEqual(rows.map(({ name }) => name));
  });

  it('are under row level security, also for their owner, if a column leads to a tenant', async () => {
    const { rows } = await admin.query<{ name: string; forced: boolean; policies: string[]; leads: boolean }>(
      `SELECT n.nspname || '.' || c.relname AS name, c.relrowsecurity AND c.relforcerowsecurity AS forced,
         ARRAY(SELECT polname::text FROM pg_policy p WHERE p.polrelid = c.oid ORDER BY 1) AS policies,
         EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND NOT attisdropped
           AND attname IN ('tenant_id', 'execution_id', 'delivery_id', 'config_id', 'document_id')) AS leads
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname = ANY($1) AND c.relkind IN ('r', 'p') ORDER BY 1`,
      [POSTGRES_SERVICES],
    );
    const secured = new Set(OF_TENANTS.map(({ name }) => name));
    for (const { name, forced, policies, leads } of rows) {
      if (leads) expect({ name, secured: secured.has(name) }).toEqual({ name, secured: true });
      if (!secured.has(name)) {
        expect({ name, policies }).toEqual({ name, policies: [] });
        continue;
      }
      expect({ name, forced }).toEqual({ name, forced: true });
      expect(policies).toEqual(expect.arrayContaining(['owner', 'service', 'tenant']));
    }
    expect(secured.size).toBeGreaterThan(30);
  });

  it('are not changed by a second migration', async () => {
    const before = await admin.query('SELECT oid FROM pg_policy ORDER BY oid');
    await migrateAll(server.environment.DATABASE_OWNER_URL);
    expect((await admin.query('SELECT oid FROM pg_policy ORDER BY oid')).rows).toEqual(before.rows);
  });

  it('get their policies back after somebody changed them', async () => {
    await admin.query('DROP POLICY tenant ON config.secrets');
    await admin.query('CREATE POLICY open ON config.secrets USING (true)');
    await admin.query('ALTER TABLE config.models NO FORCE ROW LEVEL SECURITY');
    await migrateConfig(new Secret(server.environment.DATABASE_OWNER_URL));
    const { rows } = await admin.query(
      `SELECT polname FROM pg_policy WHERE polrelid = 'config.secrets'::regclass ORDER BY 1`,
    );
    expect(rows).toEqual([{ polname: 'owner' }, { polname: 'service' }, { polname: 'tenant' }]);
    const models = await admin.query(
      `SELECT relforcerowsecurity AS f FROM pg_class WHERE oid = 'config.models'::regclass`,
    );
    expect(models.rows).toEqual([{ f: true }]);
  });

  it('stay unchanged where one role does everything', async () => {
    await admin.query('CREATE ROLE one LOGIN');
    await admin.query('CREATE SCHEMA config_of_one; CREATE TABLE config_of_one.agents (tenant_id text)');
    await admin.query('ALTER TABLE config_of_one.agents OWNER TO one');
    const [agents = ''] = secureRows('config');
    await admin.query(agents.replaceAll('config.agents', 'config_of_one.agents'));
    const { rows } = await admin.query(
      `SELECT relrowsecurity AS on FROM pg_class WHERE oid = 'config_of_one.agents'::regclass`,
    );
    expect(rows).toEqual([{ on: false }]);
    await admin.query('DROP SCHEMA config_of_one CASCADE; DROP ROLE one');
  });
});

describe('the role for requests of tenants', () => {
  it('has the rights of the registry on each table, and never more than its service', async () => {
    for (const { service, table, name } of ALL) {
      const rights = tenantRights(service, table);
      const ofService = POSTGRES_RIGHTS[service][table] ?? [];
      expect(rights.filter((right) => !ofService.includes(right))).toEqual([]);
      for (const right of ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] as const) {
        const { rows } = await admin.query<{ may: boolean }>('SELECT has_table_privilege($1, $2, $3) AS may', [
          postgresTenantRole(service),
          name,
          right,
        ]);
        expect({ name, right, may: rows[0]?.may }).toEqual({ name, right, may: rights.includes(right) });
      }
    }
  });

  it('cannot log in, belongs to its service alone, and gives it no further rights', async () => {
    const { rows } = await admin.query(
      `SELECT rolname, rolcanlogin, ARRAY(SELECT member::regrole::text FROM pg_auth_members m WHERE m.roleid = r.oid) AS members,
         pg_has_role('batuta_config', oid, 'USAGE') AS inherited
       FROM pg_roles r WHERE rolname LIKE 'batuta\\_%\\_tenant' ORDER BY 1`,
    );
    expect(rows).toEqual(
      POSTGRES_SERVICES.map((service) => ({
        rolname: postgresTenantRole(service),
        rolcanlogin: false,
        members: [postgresRole(service)],
        inherited: false,
      })).toSorted((a, b) => (a.rolname < b.rolname ? -1 : 1)),
    );
  });
});

describe.each(Object.keys(ids) as Tenant[])('a request of %s', (tenant) => {
  const foreign = other[tenant];

  it.each(OF_TENANTS)(
    'sees its own rows of $name and none of the other’s, with any query',
    async ({ service, table, name }) => {
      const seen = poolOf(service).seen({ tenantId: tenant });
      if (!tenantRights(service, table).includes('SELECT')) {
        await expect(seen.query(`SELECT * FROM ${name}`)).rejects.toMatchObject({ code: NO_RIGHT });
        return;
      }
      const { rows } = await seen.query<{ row: string }>(`SELECT to_jsonb(t)::text AS row FROM ${name} t`);
      expect(rows.length).toBeGreaterThan(0);
      for (const { row } of rows) {
        expect(row).not.toContain(ids[foreign]);
        expect(row).not.toContain(foreign);
      }
      expect(rows.some(({ row }) => row.includes(ids[tenant]) || row.includes(tenant))).toBe(true);
      const everybody = await poolOf(service).seen('everybody').query(`SELECT FROM ${name}`);
      expect(everybody.rowCount).toBeGreaterThan(rows.length);
    },
  );

  it.each(OF_TENANTS)('cannot change, remove or add a row of the other in $name', async ({ service, table, name }) => {
    const rights = tenantRights(service, table);
    const seen = poolOf(service).seen({ tenantId: tenant });
    const before = await admin.query<{ row: string }>(
      `SELECT to_jsonb(t)::text AS row FROM ${name} t WHERE to_jsonb(t)::text LIKE $1 OR to_jsonb(t)::text LIKE $2`,
      [`%${ids[foreign]}%`, `%${foreign}%`],
    );
    expect(before.rows.length).toBeGreaterThan(0);
    const { rows: columns } = await admin.query<{ name: string }>(
      `SELECT attname AS name FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped
       AND attgenerated = '' AND has_column_privilege($2, $1, attname, 'UPDATE')`,
      [name, postgresTenantRole(service)],
    );
    const others = `to_jsonb(t)::text LIKE '%${ids[foreign]}%' OR to_jsonb(t)::text LIKE '%${foreign}%'`;
    const [column] = columns;
    if (column !== undefined) {
      const changed = await seen.query(`UPDATE ${name} t SET "${column.name}" = "${column.name}" WHERE ${others}`);
      expect(changed.rowCount).toBe(0);
    }
    if (rights.includes('DELETE')) {
      expect((await seen.query(`DELETE FROM ${name} t WHERE ${others}`)).rowCount).toBe(0);
    }
    if (rights.includes('INSERT')) {
      const { rows: all } = await admin.query<{ name: string }>(
        `SELECT attname AS name FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''`,
        [name],
      );
      const list = all.map((each) => `"${each.name}"`).join(', ');
      // A copy of the other tenant's row: PostgreSQL checks the policy before the keys.
      const copy = `INSERT INTO ${name} (${list}) SELECT ${list} FROM jsonb_populate_record(NULL::${name}, $1::jsonb)`;
      await expect(seen.query(copy, [before.rows[0]?.row])).rejects.toMatchObject({ code: NO_RIGHT });
    }
    const after = await admin.query(
      `SELECT to_jsonb(t)::text AS row FROM ${name} t WHERE to_jsonb(t)::text LIKE $1 OR to_jsonb(t)::text LIKE $2`,
      [`%${ids[foreign]}%`, `%${foreign}%`],
    );
    expect(after.rows).toEqual(before.rows);
  });

  it('reads no event of the other, although the log’s statements have no condition on the tenant', async () => {
    await admin.query(`UPDATE execution.events SET type = 'ExecutionPaused'`);
    const store = new PostgresEventStore(
      { databaseUrl: '', queries: poolOf('execution').seen({ tenantId: tenant }) },
      new PostgresStreams([{ name: 'execution', types: ['ExecutionPaused'] }]),
    );
    const both = [ids[tenant], ids[foreign]];
    expect([...(await store.readStreams(both)).keys()]).toEqual([ids[tenant]]);
    expect(await store.readEvents(ids[foreign], 1, 10)).toEqual([]);
    expect(await store.readNewest(both)).toEqual([{ version: 1, type: 'ExecutionPaused' }, undefined]);
    expect(await store.readChain(ids[foreign], 1, 10)).toEqual([]);
    expect([...(await store.readSnapshots(both, 1)).keys()]).toEqual([ids[tenant]]);
  });
});

it('a request without a tenant sees no row and adds none', async () => {
  for (const { service, table, name } of OF_TENANTS) {
    if (!tenantRights(service, table).includes('SELECT')) continue;
    // A connection that was used without naming a tenant.
    const { rows } = await poolOf(service).query<{ row: string }>(`SELECT to_jsonb(t)::text AS row FROM ${name} t`);
    expect(rows.filter(({ row }) => row.includes('alice') || row.includes('bob'))).toEqual([]);
  }
  await expect(poolOf('config').query(`INSERT INTO config.tenants (id) VALUES ('mallory')`)).rejects.toMatchObject({
    code: NO_RIGHT,
  });
});

it('global configs are visible to tenants that have allowed them, and none of these can change them', async () => {
  const seen = poolOf('config').seen({ tenantId: 'alice' });
  const names = `SELECT name FROM config.orchestration_configs WHERE tenant_id = 'default'`;
  expect((await seen.query(names)).rows).toEqual([]);
  await admin.query(`UPDATE config.tenants SET settings = '{"globalConfigs": true}' WHERE id = 'alice'`);
  expect((await seen.query(names)).rows).toEqual([{ name: 'for all' }]);
  expect((await poolOf('config').seen({ tenantId: 'bob' }).query(names)).rows).toEqual([]);
  const changed = await seen.query(`UPDATE config.orchestration_configs SET name = 'mine' WHERE id = $1`, [published]);
  expect(changed.rowCount).toBe(0);
});

it('the owner of the tables sees no rows until it asks for them', async () => {
  const owner = new pg.Client({ connectionString: server.environment.DATABASE_OWNER_URL });
  await owner.connect();
  try {
    expect((await owner.query('SELECT current_user AS user')).rows).toEqual([{ user: POSTGRES_OWNER }]);
    for (const { name } of OF_TENANTS) expect((await owner.query(`SELECT FROM ${name}`)).rowCount).toBe(0);
    await owner.query(`SET batuta.all_tenants = 'on'`);
    for (const { name } of OF_TENANTS) expect((await owner.query(`SELECT FROM ${name}`)).rowCount).toBeGreaterThan(1);
  } finally {
    await owner.end();
  }
});
