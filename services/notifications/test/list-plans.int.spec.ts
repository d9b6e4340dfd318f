import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ListDeliveriesRequest, Principal } from '@batuta/contracts';
import { Secret } from '@batuta/settings';
import { createTestDatabase, urlAs } from '@batuta/testing';
import type { TestDatabase } from '@batuta/testing';
import pg from 'pg';
import type { DataSource } from 'typeorm';
import { Callbacks } from '../src/callbacks/callbacks.service.js';
import {
  NotificationsRows,
  migrate,
  migrateAsOwner,
  notificationsDataSource,
  requestDriver,
} from '../src/database/data-source.js';
import { Deliveries } from '../src/deliveries/deliveries.service.js';
import { Inbox } from '../src/inbox/inbox.service.js';

const ROWS = 20_000;
const ME: Principal = { tenantId: 'default', userId: 'ada', role: 'viewer', keyId: 'k' };
const NONE = '00000000-0000-7000-8000-000000000001';

let database: TestDatabase;
let rows: NotificationsRows;
let opened: DataSource;
let dataSource: DataSource;
let seen: { readonly query: string; readonly parameters: unknown[] }[];

beforeAll(async () => {
  database = await createTestDatabase();
  await migrateAsOwner(new Secret(database.url));
  opened = notificationsDataSource({
    databaseUrl: new Secret(urlAs('notifications', database.url)),
    connections: 3,
    driver: requestDriver,
  });
  await opened.initialize();
  rows = new NotificationsRows(opened);
  dataSource = rows.everybody;
  await migrate(dataSource);
  await dataSource.query(
    `INSERT INTO notifications.orchestration_callbacks (id, execution_id, callback_type, callback_url, status, max_retries,
       tenant_id, callback_id, callback_key, event_type, event_version, position, channel, channel_settings, fallback,
       destination, order_key, open, give_up_at)
     SELECT md5(n::text)::uuid, 'execution-' || n, 'webhook', 'https://example.com', 'delivered', 3, 'default',
       md5('c' || n % 50)::uuid, 'key', 'x', 1, n, 0, '{}', '[]', 'd', 'o', false, now()
     FROM generate_series(1, ${ROWS}) AS n`,
  );
  await dataSource.query(
    `INSERT INTO notifications.callbacks (id, tenant_id, config_id, events, channel, fallback, created_by)
     SELECT md5(n::text)::uuid, 'default', 'config-' || n % 500, '{}', '{}', '[]', 'ada'
     FROM generate_series(1, ${ROWS}) AS n`,
  );
  await dataSource.query(
    `INSERT INTO notifications.inbox (id, tenant_id, user_id, execution_id, event_type, content)
     SELECT md5(n::text)::uuid, 'default', 'user-' || n % 100, 'x', 'x', '{}' FROM generate_series(1, ${ROWS}) AS n`,
  );
  const admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  await admin.query('ANALYZE');
  await admin.end();
  const logger = { logQuery: (query: string, parameters: unknown[] = []) => seen.push({ query, parameters }) };
  const silent = {
    logQueryError: ignore,
    logQuerySlow: ignore,
    logSchemaBuild: ignore,
    logMigration: ignore,
    log: ignore,
  };
  opened.setOptions({ logging: ['query'], logger: { ...silent, ...logger } });
  opened.logger = { ...silent, ...logger };
});

afterAll(async () => {
  await opened?.destroy();
  await database?.drop();
});

function ignore(): void {
  // Only statements matter here.
}

/** The plan of the statement that a list runs, as it was sent. */
async function planOf(list: () => Promise<unknown>): Promise<string> {
  seen = [];
  expect(await list()).not.toHaveProperty('refused');
  const [sent] = seen.filter(({ query }) => query.startsWith('SELECT'));
  if (sent === undefined) throw new Error('the list sent no statement');
  const lines = await rows.of(ME.tenantId).query<{ 'QUERY PLAN': string }[]>(`EXPLAIN ${sent.query}`, sent.parameters);
  return lines.map((row) => row['QUERY PLAN']).join('\n');
}

describe('each filter of the lists', () => {
  it.each<[string, Partial<ListDeliveriesRequest>, string]>([
    ['deliveries', {}, 'orchestration_callbacks_tenant'],
    ['deliveries of a status', { status: ['failed'] }, 'orchestration_callbacks_status'],
    ['dead letters', { deadLetter: true }, 'orchestration_callbacks_dead'],
    ['deliveries of an execution', { executionId: 'none' }, 'orchestration_callbacks_execution_id'],
    ['deliveries of a callback', { callbackId: NONE }, 'orchestration_callbacks_callback'],
  ])('has an index for %s', async (_name, filters, index) => {
    const deliveries = new Deliveries(rows, undefined as never, undefined as never);
    const plan = await planOf(() => deliveries.list({ principal: ME, ...filters }, ME));
    expect(plan).toContain(index);
    expect(plan).not.toContain('Seq Scan');
  });

  it.each([
    ['callbacks of a config', { configId: 'none' }, 'callbacks_config'],
    ['callbacks of an execution', { executionId: 'none' }, 'callbacks_execution'],
  ])('has an index for %s', async (_name, filters, index) => {
    const nothing = undefined as never;
    const callbacks = new Callbacks(rows, nothing, nothing, nothing, nothing, nothing, nothing, nothing);
    const plan = await planOf(() => callbacks.list({ principal: ME, ...filters }, ME));
    expect(plan).toContain(index);
    expect(plan).not.toContain('Seq Scan');
  });

  it('has an index for what waits in an inbox', async () => {
    const plan = await planOf(() => new Inbox(rows, undefined as never).list(ME, 0, ''));
    expect(plan).toContain('inbox_waiting');
    expect(plan).not.toContain('Seq Scan');
  });
});
