import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Principal } from '@batuta/contracts';
import { Secret } from '@batuta/settings';
import { createTestDatabase, urlAs } from '@batuta/testing';
import type { TestDatabase } from '@batuta/testing';
import pg from 'pg';
import type { DataSource } from 'typeorm';
import { ConfigRows, configDataSource, migrate, migrateAsOwner, requestDriver } from '../src/database/data-source.js';
import { PoolCredentials } from '../src/credentials/pool-credentials.js';
import { ConfigReads } from '../src/definitions/config-reads.js';
import { Knowledge } from '../src/knowledge/knowledge.service.js';
import { ApiKeys } from '../src/tenants/api-keys.js';

const ROWS = 20_000;
const ME: Principal = { tenantId: 'default', userId: 'ada', role: 'admin', keyId: 'k' };
const ANY = {
  nameContains: '',
  strategy: '',
  ownerId: '',
  includeDeleted: false,
  limit: 0,
  cursor: '',
};

let database: TestDatabase;
/** As every tenant's request is served, and what all of them share. */
let rows: ConfigRows;
let opened: DataSource;
let dataSource: DataSource;
let seen: { readonly query: string; readonly parameters: unknown[] }[];

beforeAll(async () => {
  database = await createTestDatabase();
  await migrateAsOwner(new Secret(database.url));
  opened = configDataSource({
    databaseUrl: new Secret(urlAs('config', database.url)),
    connections: 3,
    driver: requestDriver,
  });
  await opened.initialize();
  rows = new ConfigRows(opened);
  dataSource = rows.everybody;
  await migrate(dataSource);
  await dataSource.query(
    `INSERT INTO config.orchestration_configs (id, name, description, strategy, steps, settings, metadata, owner_id,
       tenant_id, is_global, agents, version, is_active)
     SELECT md5(n::text)::uuid, 'name-' || n, '', 'parallel', '[]', '{}', '{}', 'owner-' || n % 10, 'default', false, '{}', 1,
       true
     FROM generate_series(1, ${ROWS}) AS n`,
  );
  await dataSource.query(
    `INSERT INTO config.orchestration_config_versions (config_id, version, tenant_id, is_global, definition, definition_bytes,
       has_input_schema, created_by)
     SELECT id, version, tenant_id, is_global, '{}', 2, false, owner_id FROM config.orchestration_configs`,
  );
  const admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  await admin.query('ANALYZE');
  await admin.end();
  const logQuery = (query: string, parameters: unknown[] = []): void => void seen.push({ query, parameters });
  const rest = {
    logQueryError: ignore,
    logQuerySlow: ignore,
    logSchemaBuild: ignore,
    logMigration: ignore,
    log: ignore,
  };
  opened.setOptions({ logging: ['query'] });
  opened.logger = { ...rest, logQuery };
});

afterAll(async () => {
  await opened?.destroy();
  await database?.drop();
});

function ignore(): void {
  // Only statements matter here.
}

/** The plan of the first statement that a list runs, as it was sent. */
async function planOf(list: () => Promise<unknown>, settings = '', as = rows.of(ME.tenantId)): Promise<string> {
  seen = [];
  expect(await list()).not.toHaveProperty('refused');
  const [sent] = seen.filter(({ query }) => query.startsWith('SELECT'));
  if (sent === undefined) throw new Error('the list sent no statement');
  return as.transaction(async (manager) => {
    if (settings !== '') await manager.query(settings);
    const lines = await manager.query<{ 'QUERY PLAN': string }[]>(`EXPLAIN ${sent.query}`, sent.parameters);
    return lines.map((row) => row['QUERY PLAN']).join('\n');
  });
}

describe('each filter of the lists', () => {
  const nothing = { users: undefined } as never;

  it.each([
    ['a strategy', { strategy: 'sequential' }, 'orchestration_configs_strategy'],
    ['an owner', { ownerId: 'nobody' }, 'orchestration_configs_owner'],
    ['a part of a name', { nameContains: 'E-1234' }, 'orchestration_configs_name_parts'],
    ['a part of no name', { nameContains: 'nothing' }, 'orchestration_configs_name_parts'],
    ['a letter of no name', { nameContains: 'x' }, 'orchestration_configs_name_parts'],
    ['two letters of no name', { nameContains: 'me!' }, 'orchestration_configs_name_parts'],
  ])('has an index for configs of %s', async (_name, filters, index) => {
    const configs = new ConfigReads(rows);
    // Parts of names are searched as what serves everybody, and what is found is read as the tenant sees it.
    const as = 'nameContains' in filters ? rows.everybody : rows.of(ME.tenantId);
    const plan = await planOf(() => configs.list(ME, { ...ANY, ...filters }), '', as);
    expect(plan).toContain(index);
    expect(plan).not.toContain('Seq Scan on orchestration_configs');
  });

  // These have so few rows here that PostgreSQL would rather read them all.
  it.each([
    [
      'documents',
      () => new Knowledge(rows, nothing, nothing).list(ME, { limit: 0, cursor: '' }),
      'knowledge_documents_tenant',
    ],
    ['keys', () => new ApiKeys(rows, nothing, nothing).list(ME, { limit: 0, cursor: '' }), 'api_keys_tenant'],
    [
      'credentials of a pool',
      () => new PoolCredentials(rows, nothing, nothing).list(ME, { pool: 'text', limit: 0, cursor: '' }),
      'pool_credentials_of_pool',
    ],
  ])('has an index for %s', async (_name, list, index) => {
    expect(await planOf(list, 'SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off')).toContain(index);
  });
});
