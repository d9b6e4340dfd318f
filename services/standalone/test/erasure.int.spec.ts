import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { loadConfigSettings, startConfig } from '@batuta/config';
import { eraseTenant, loadExecutionSettings, startExecution, verifyExecutions } from '@batuta/execution';
import { loadGatewaySettings, startGateway } from '@batuta/gateway';
import type { Gateway } from '@batuta/gateway';
import { loadNotificationsSettings, startNotifications } from '@batuta/notifications';
import { createLogger } from '@batuta/observability';
import { createTestDatabase, eventually, startTestNats } from '@batuta/testing';
import type { TestDatabase, TestNats } from '@batuta/testing';
import pg from 'pg';

const PATIENCE = { timeoutMs: 90_000 };
const API = '/api/v1/orchestrations';
const logger = createLogger({ service: 'test', level: 'silent', pretty: false });

let database: TestDatabase;
let nats: TestNats;
let gateway: Gateway;
let adminKey = '';
let sql: pg.Pool;
const services: { close(): Promise<unknown> }[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  nats = await startTestNats();
  const servers = { DATABASE_URL: database.url, NATS_URL: nats.url };
  sql = new pg.Pool({ connectionString: database.url, max: 2 });
  const config = await startConfig({
    settings: loadConfigSettings({
      ...servers,
      BATUTA_CONFIG_HTTP_PORT: '0',
      BATUTA_SECRETS_KEYS: randomBytes(32).toString('base64'),
    }),
    logger,
    deliverAdminKey: (secret) => {
      adminKey = secret;
      return Promise.resolve();
    },
  });
  const execution = await startExecution({
    settings: loadExecutionSettings({
      ...servers,
      BATUTA_EXECUTION_NAME: 'one',
      BATUTA_EXECUTION_PARTITIONS: '4',
      BATUTA_EXECUTION_PROJECTION: '50ms',
      BATUTA_EXECUTION_SEAL: '50ms',
      BATUTA_EXECUTION_SEAL_KEYS: SEED.toString('base64'),
      BATUTA_EXECUTION_SNAPSHOT_EVENTS: '5',
    }),
    logger,
    opsServer: false,
  });
  const notifications = await startNotifications({
    settings: loadNotificationsSettings({ ...servers, BATUTA_NOTIFICATIONS_HTTP_PORT: '0' }),
    logger,
    opsServer: false,
  });
  gateway = await startGateway({
    settings: loadGatewaySettings({ BATUTA_GATEWAY_HTTP_PORT: '0', NATS_URL: nats.url }),
    logger,
  });
  services.push(gateway, execution, notifications, config);
});
const SEED = randomBytes(32);

afterAll(async () => {
  for (const service of services) await service.close();
  await sql?.end();
  await nats?.close();
  await database?.drop();
});

async function call(key: string, method: string, path: string, body?: object): Promise<Record<string, unknown>> {
  const answer = await fetch(`${gateway.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>;
}

interface Tenant {
  readonly id: string;
  readonly key: string;
  /** A text that is in everything written for this tenant. */
  readonly mark: string;
  readonly open: string;
  /** The id of an active schedule. */
  readonly schedule: string;
}

/**
 * A tenant with rows in every service: one execution that has ended, one deleted, one waiting, one started by a
 * schedule, and a paused schedule.
 */
async function fill(id: string): Promise<Tenant> {
  const mark = `mark-of-${id}`;
  const made = await call(adminKey, 'POST', '/api/v1/api-keys', {
    tenant_id: id,
    user_id: 'ada',
    role: 'admin',
    name: mark,
  });
  const key = String(made['secret']);
  const ask = (method: string, path: string, body?: object): Promise<Record<string, unknown>> =>
    call(key, method, path, body);
  const config = await ask('POST', `${API}/configs`, {
    name: 'asks',
    description: mark,
    strategy: 'sequential',
    steps: [{ id: 'a', name: 'A', approval: { message: mark } }],
  });
  await ask('PUT', '/api/v1/secrets/TOKEN', { value: 'a-secret-of-the-tenant', description: mark });
  await ask('PUT', '/api/v1/agents/words', { pool: `pool-${id}`, description: mark });
  await ask('POST', '/api/v1/knowledge/documents', {
    source: mark,
    title: mark,
    content_type: 'text/plain',
    content: mark,
  });
  await ask('PUT', '/api/v1/models/cheap', { provider: 'openai', model: mark, api_key: '{{secret:TOKEN}}' });
  await ask('PUT', '/api/v1/mcp-servers/tools', { url: 'https://tools.example/mcp', description: mark });
  await ask('PUT', '/api/v1/retention-policies/long', { older_than_ms: 3_000_000_000 });
  await ask('POST', `${API}/callbacks`, {
    config_id: String(config['id']),
    type: 'websocket',
    events: ['started', 'completed'],
  });
  const start = async (): Promise<string> =>
    String((await ask('POST', `${API}/execute/asks`, { input: { text: mark } }))['execution_id']);
  const approve = async (execution: string): Promise<void> => {
    await ask('POST', `${API}/executions/${execution}/steps/a/approve`, { comment: mark });
  };
  const [done, deleted, open] = [await start(), await start(), await start()];
  for (const each of [done, deleted]) await approve(each);
  await ask('DELETE', `${API}/executions/${deleted}?reason=${mark}`);
  const schedule = async (): Promise<string> =>
    String(
      (
        await ask('POST', '/api/v1/schedules', {
          name: mark,
          config: 'asks',
          timetable: { at: '2099-01-01T00:00:00Z' },
          input: { text: mark },
        })
      )['id'],
    );
  const [active, paused] = [await schedule(), await schedule()];
  await ask('POST', `/api/v1/schedules/${paused}/pause`, { reason: mark });
  await ask('POST', `/api/v1/schedules/${active}/trigger`, {});
  await eventually(async () => {
    const { running } = (await ask('GET', `/api/v1/schedules/${active}`)) as { running: { execution_id: string }[] };
    await approve(running[0]?.execution_id ?? '');
  }, PATIENCE);
  await eventually(async () => {
    expect(await ask('GET', `/api/v1/schedules/${active}`)).toMatchObject({ counts: { completed: 1 }, running: [] });
  }, PATIENCE);
  await eventually(async () => {
    const { rows } = await sql.query('SELECT FROM execution.orchestration_executions WHERE id = $1', [deleted]);
    expect(rows).toHaveLength(0);
    const inbox = await sql.query('SELECT FROM notifications.inbox WHERE tenant_id = $1', [id]);
    // The three remaining executions were started, and two have completed.
    expect(inbox.rows).toHaveLength(5);
  }, PATIENCE);
  return { id, key, mark, open, schedule: active };
}

/** How many rows of each table contain a text in any column. */
async function holding(text: string): Promise<Record<string, number>> {
  const { rows } = await sql.query<{ name: string }>(
    `SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) AS name FROM information_schema.tables
     WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')`,
  );
  const found: Record<string, number> = {};
  for (const { name } of rows) {
    const counted = await sql.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM ${name} AS t WHERE position($1 IN t::text) > 0`,
      [text],
    );
    const n = counted.rows[0]?.n ?? 0;
    if (n > 0) found[name] = n;
  }
  return found;
}

it('removes every row of a tenant in every service, nothing of others, and continues after an interruption', async () => {
  const [gone, stays] = [await fill('acme'), await fill('other')];
  const ofSchedules = await sql.query<{ id: string }>('SELECT id FROM execution.streams WHERE tenant_id = $1', [
    gone.id,
  ]);
  expect(ofSchedules.rows).toHaveLength(2);
  const before = { tenant: await holding(stays.id), mark: await holding(stays.mark) };
  expect(Object.keys(before.mark).map((name) => name.split('.')[0])).toEqual(
    expect.arrayContaining(['config', 'execution', 'notifications']),
  );

  // Entries of the audit log are written after the answers.
  let all = await holding(gone.id);
  await eventually(
    async () => {
      const earlier = all;
      all = await holding(gone.id);
      expect(all).toEqual(earlier);
    },
    { intervalMs: 500 },
  );

  // This only counts and removes nothing.
  const asked = await eraseTenant(database.url, gone.id, false);
  expect(asked).toMatchObject({ open: 2, active: 1, erased: false });
  for (const table of [
    'config.api_keys',
    'config.mcp_servers',
    'config.models',
    'config.secrets',
    'config.tenants',
    'execution.events',
    'execution.streams',
    'notifications.inbox',
  ]) {
    expect([table, asked.rows[table] ?? 0]).not.toEqual([table, 0]);
  }
  expect(await call(gone.key, 'GET', `${API}/executions`)).toMatchObject({ executions: expect.anything() });

  // An active schedule would start more executions, so nothing is removed either.
  all = await holding(gone.id);
  expect(await eraseTenant(database.url, gone.id, true)).toEqual(asked);
  expect(await holding(gone.id)).toEqual(all);
  await call(gone.key, 'DELETE', `/api/v1/schedules/${gone.schedule}`);

  // One execution still runs. The tenant's keys are gone and ended executions are removed, but nothing else.
  expect(await eraseTenant(database.url, gone.id, true)).toMatchObject({ open: 1, active: 0, erased: false });
  expect((await holding(gone.mark))['config.api_keys']).toBeUndefined();
  expect((await holding(gone.mark))['config.orchestration_configs']).toBeGreaterThan(0);
  await eventually(async () => {
    const answer = await fetch(`${gateway.url}${API}/configs`, { headers: { authorization: `Bearer ${gone.key}` } });
    expect(answer.status).toBe(401);
  }, PATIENCE);
  await sql.query(`UPDATE execution.orchestration_executions SET wake_at = NULL, status = 'cancelled' WHERE id = $1`, [
    gone.open,
  ]);

  // It is interrupted at each of its steps in turn.
  let cuts = 0;
  for (let after = 1; ; after += 1) {
    let steps = 0;
    const cut = (): void => {
      steps += 1;
      if (steps === after) throw new Error('cut off');
    };
    const ended = await eraseTenant(database.url, gone.id, true, cut).catch((error: Error) => error.message);
    if (ended !== 'cut off') {
      expect(ended).toMatchObject({ erased: true, open: 0 });
      break;
    }
    cuts += 1;
    // Each interruption rolls back the current step, so later ones get further only when earlier steps are kept.
    if (cuts > 50) throw new Error('it never ends');
  }
  expect(cuts).toBeGreaterThan(3);

  expect(await holding(gone.mark)).toEqual({});
  expect(await holding('a-secret-of-the-tenant')).toEqual({});
  expect(await holding(`"${gone.id}"`)).toEqual({});
  for (const { id } of ofSchedules.rows) expect(await holding(id)).toEqual({});
  expect(await holding(gone.id)).toEqual({ 'execution.erasures': 1 });
  expect({ tenant: await holding(stays.id), mark: await holding(stays.mark) }).toEqual(before);
  const { rows } = await sql.query(
    `SELECT ended_at IS NOT NULL AS ended FROM execution.erasures WHERE tenant_id = 'acme'`,
  );
  expect(rows).toEqual([{ ended: true }]);

  // The other tenant still works, and checkpoints are still valid.
  await call(stays.key, 'POST', `${API}/executions/${stays.open}/steps/a/approve`, {});
  const problems: string[] = [];
  await verifyExecutions(database.url, 'all', ({ where, what }) => problems.push(`${where} ${what}`), [SEED]);
  expect(problems).toEqual([]);
});

it('does not erase the platform’s own tenant', async () => {
  await expect(eraseTenant(database.url, 'default', true)).rejects.toThrow('cannot be erased');
});
