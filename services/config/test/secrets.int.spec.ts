import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startConfig } from '@batuta/config';
import { auditLink, FIRST_AUDIT_LINK, operations } from '@batuta/contracts';
import type {
  AgentReply,
  AuditEntry,
  ConfigReply,
  ListAuditReply,
  ListAuditRequest,
  ListSecretsReply,
  Principal,
  ResolveSecretsReply,
  SecretReply,
} from '@batuta/contracts';
import { connectNats, controlClientOver } from '@batuta/messaging';
import { createLogger } from '@batuta/observability';
import { Secret } from '@batuta/settings';
import { createTestDatabase, startTestNats } from '@batuta/testing';
import pg from 'pg';
import { logger, principal, settingsFor, startConfigUnderTest } from './harness.js';
import type { ConfigUnderTest } from './harness.js';

const VALUE = 'correct horse battery staple';
const me = principal('default');
const other = principal('other');

let under: ConfigUnderTest;
let database: pg.Client;

const put = (name: string, body: object, as: Principal = me, more: object = {}): Promise<SecretReply> =>
  under.client.request<SecretReply>(operations.secrets.put.subject, { principal: as, name, body, ...more });
const resolve = (tenantId: string, names: string[]): Promise<ResolveSecretsReply> =>
  under.client.request<ResolveSecretsReply>(operations.secrets.resolve.subject, { tenantId, names });

async function dump(client: pg.Client): Promise<string> {
  const { rows: tables } = await client.query<{ name: string }>(
    `SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) AS name FROM information_schema.tables
     WHERE table_type = 'BASE TABLE' AND table_schema = 'config'`,
  );
  let text = '';
  for (const { name } of tables) {
    const { rows } = await client.query<{ row: string }>(`SELECT t::text AS row FROM ${name} AS t`);
    text += rows.map(({ row }) => row).join('\n');
  }
  return text;
}

beforeAll(async () => {
  under = await startConfigUnderTest();
  database = new pg.Client({ connectionString: under.databaseUrl });
  await database.connect();
  await database.query(`INSERT INTO config.tenants (id) VALUES ('default'), ('other') ON CONFLICT DO NOTHING`);
});

afterAll(async () => {
  await database?.end();
  await under?.close();
});

describe('secrets', () => {
  it('are made, changed, listed and deleted, and no answer and no table has a value', async () => {
    const made = await put('API_TOKEN', { value: VALUE, description: 'for tickets' });
    expect(made).toMatchObject({
      created: true,
      secret: { name: 'API_TOKEN', version: 1, description: 'for tickets' },
    });
    const changed = await put('API_TOKEN', { value: `${VALUE}!` });
    expect(changed).toMatchObject({ secret: { version: 2, description: '', updatedBy: 'someone' } });
    expect(changed.created).toBeUndefined();
    expect(await resolve('default', ['API_TOKEN', 'NONE'])).toEqual({ values: { API_TOKEN: `${VALUE}!` } });
    await put('B', { value: VALUE });
    const get = { principal: me, name: 'API_TOKEN' };
    const got = await under.client.request<SecretReply>(operations.secrets.get.subject, get);
    expect(got.secret?.lastUsedAt).toBeGreaterThan(Date.now() - 60_000);
    expect(got.etag).toBe(changed.etag);
    const first = await under.client.request<ListSecretsReply>(operations.secrets.list.subject, {
      principal: me,
      limit: 1,
    });
    const second = await under.client.request<ListSecretsReply>(operations.secrets.list.subject, {
      principal: me,
      limit: 1,
      cursor: first.nextCursor,
    });
    expect([...first.secrets, ...second.secrets].map(({ name }) => name)).toEqual(['API_TOKEN', 'B']);
    expect(second.nextCursor).toBeUndefined();
    expect(JSON.stringify([made, changed, got, first, second])).not.toContain(VALUE);
    expect(await dump(database)).not.toContain(VALUE);
    const stale = await put('API_TOKEN', { value: VALUE }, me, {
      preconditions: { ifMatch: { tags: [made.etag ?? ''] } },
    });
    expect(stale.refused?.code).toBe('version_conflict');
    await under.client.request<SecretReply>(operations.secrets.delete.subject, { principal: me, name: 'B' });
    expect(await resolve('default', ['B'])).toEqual({ values: {} });
  });

  it('belong to one tenant, are written by admins and seen by operators', async () => {
    await put('MINE', { value: VALUE });
    expect(await resolve('other', ['MINE'])).toEqual({ values: {} });
    const get = (as: Principal): Promise<SecretReply> =>
      under.client.request<SecretReply>(operations.secrets.get.subject, { principal: as, name: 'MINE' });
    expect((await get(other)).refused?.code).toBe('not_found');
    expect((await get(principal('default', 'operator'))).secret?.name).toBe('MINE');
    expect((await get(principal('default', 'viewer'))).refused?.code).toBe('forbidden');
    expect((await put('MINE', { value: VALUE }, principal('default', 'operator'))).refused?.code).toBe('forbidden');
    const remove = { principal: other, name: 'MINE' };
    expect((await under.client.request<SecretReply>(operations.secrets.delete.subject, remove)).refused?.code).toBe(
      'not_found',
    );
    expect((await resolve('default', ['MINE'])).values).toEqual({ MINE: VALUE });
  });

  it('are given out only after their use is recorded, once an hour for each user and value', async () => {
    const made = await put('USED', { value: VALUE });
    const executionId = randomUUID();
    const uses = async (more: Partial<ListAuditRequest> = {}, as: Principal = me): Promise<AuditEntry[]> => {
      const request = { principal: as, action: 'secrets.use', executionId, ...more };
      const { entries } = await under.client.request<ListAuditReply>(operations.audit.list.subject, request);
      return entries;
    };
    const use = (stepId: string, names: string[], agent = 'http'): Promise<ResolveSecretsReply> =>
      under.client.request<ResolveSecretsReply>(operations.secrets.resolve.subject, {
        tenantId: 'default',
        executionId,
        stepId,
        agent,
        names,
      });
    // Many at once, as runners ask, and each of them more than once.
    const steps = Array.from({ length: 40 }, (_, n) => `s${n % 20}`);
    await Promise.all(steps.map((step) => use(step, ['USED'])));
    await use('s0', ['USED']);
    const entries = await uses();
    expect(new Set(entries.map(({ usedBy }) => usedBy))).toEqual(
      new Set(Array.from({ length: 20 }, (_, n) => `executions/${executionId}/steps/s${n}/agents/http`)),
    );
    const fields = { resource: 'secrets/USED', channel: 'use', outcome: 'succeeded', revision: made.etag };
    for (const entry of entries) expect(entry).toMatchObject(fields);
    expect(entries.length).toBeLessThanOrEqual(40);
    // A new value is another use; so is a callback, and what there is not is refused and recorded too.
    await put('USED', { value: `${VALUE}!` });
    const before = entries.length;
    await use('s0', ['USED', 'GONE']);
    await under.client.request(operations.secrets.resolve.subject, {
      tenantId: 'default',
      executionId,
      callbackId: 'c1',
      names: ['USED'],
    });
    const later = (await uses()).slice(0, -before);
    expect(
      later.map(({ resource, outcome, code = '', usedBy }) => [resource, outcome, code, usedBy].join(' ')).toSorted(),
    ).toEqual([
      `secrets/GONE refused secret_missing executions/${executionId}/steps/s0/agents/http`,
      `secrets/USED succeeded  executions/${executionId}/callbacks/c1`,
      `secrets/USED succeeded  executions/${executionId}/steps/s0/agents/http`,
    ]);
    // Of this execution alone, of this tenant alone, and chained like all else.
    expect(await uses({ executionId: executionId.slice(0, -1) })).toEqual([]);
    expect(await uses({}, other)).toEqual([]);
    const all: AuditEntry[] = [];
    for (let cursor: string | undefined = ''; cursor !== undefined;) {
      const request: object = { principal: me, oldestFirst: true, limit: 500, cursor };
      const page: ListAuditReply = await under.client.request<ListAuditReply>(operations.audit.list.subject, request);
      all.push(...page.entries);
      cursor = page.nextCursor;
    }
    let link = FIRST_AUDIT_LINK;
    for (const entry of all) expect((link = auditLink(link, entry))).toBe(entry.link);
    const forged = { ...(all.at(-1) as AuditEntry), usedBy: `executions/${randomUUID()}` };
    expect(auditLink(all.at(-2)?.link ?? '', forged)).not.toBe(forged.link);
  });

  it('stay where they are while their use cannot be recorded', async () => {
    await put('KEPT', { value: VALUE });
    await database.query('ALTER TABLE config.audit_entries RENAME TO audit_entries_away');
    const use = (): Promise<ResolveSecretsReply> =>
      under.client.request<ResolveSecretsReply>(operations.secrets.resolve.subject, {
        tenantId: 'default',
        executionId: randomUUID(),
        stepId: 'a',
        names: ['KEPT'],
      });
    try {
      const outcome = await use().then(
        () => 'given',
        () => 'kept',
      );
      expect(outcome).toBe('kept');
    } finally {
      await database.query('ALTER TABLE config.audit_entries_away RENAME TO audit_entries');
    }
    expect((await use()).values).toEqual({ KEPT: VALUE });
  });

  it.each([
    ['a short value', { value: 'short' }, '/value too_short'],
    ['a value that is nearly all spaces', { value: '  short      ' }, '/value too_short'],
    ['no value', {}, '/value required'],
    ['a long value', { value: 'x'.repeat(4_097) }, '/value too_long'],
    ['a NUL', { value: 'abcdefgh\0' }, '/value invalid_character'],
    ['another field', { value: VALUE, more: 1 }, '/more unknown_field'],
  ])('refuse %s, without quoting it', async (_, body, mistake) => {
    const { refused } = await put('WRONG', body);
    expect(refused?.violations?.map(({ path, code }) => `${path} ${code}`)).toEqual([mistake]);
  });

  it('cannot be used in place of another one in the database', async () => {
    await put('ONE', { value: VALUE });
    await put('TWO', { value: 'another value' });
    await put('ONE', { value: VALUE }, other);
    const swap = `UPDATE config.secrets AS t SET wrapped_key = s.wrapped_key, sealed = s.sealed FROM config.secrets AS s
      WHERE s.tenant_id = 'default' AND s.name = 'ONE' AND t.tenant_id = $1 AND t.name = $2`;
    for (const [tenant, name] of [
      ['default', 'TWO'],
      ['other', 'ONE'],
    ] as const) {
      await database.query(swap, [tenant, name]);
      expect((await resolve(tenant, [name])).refused?.code).toBe('unavailable');
    }
    await database.query(
      `UPDATE config.secrets SET version = version + 1 WHERE tenant_id = 'default' AND name = 'ONE'`,
    );
    expect((await resolve('default', ['ONE'])).refused?.code).toBe('unavailable');
  });

  it('are named by a config of their tenant when it is saved', async () => {
    await put('TICKET_TOKEN', { value: VALUE });
    const agent = { principal: me, name: 'own', body: { pool: 'own-pool' } };
    expect((await under.client.request<AgentReply>(operations.agents.put.subject, agent)).refused).toBeUndefined();
    const shared = { principal: me, name: 'theirs', body: { pool: 'everybody' } };
    expect((await under.client.request<AgentReply>(operations.agents.put.subject, shared)).refused).toBeUndefined();
    const save = (text: string, agentName: string, as = me): Promise<ConfigReply> =>
      under.client.request<ConfigReply>(operations.configs.create.subject, {
        principal: as,
        definition: {
          name: `c-${agentName}-${as.tenantId}-${text.length}`,
          strategy: 'sequential',
          steps: [{ id: 'a', name: 'A', agent: agentName, input: { x: text } }],
        },
      });
    const mistakes = ({ refused }: ConfigReply): (string | undefined)[] =>
      (refused?.violations ?? []).map(({ path, code, message }) => `${path} ${code} ${message}`);
    expect((await save('{{secret:TICKET_TOKEN}}', 'http')).config?.version).toBe(1);
    expect((await save('{{secret:TICKET_TOKEN}}', 'theirs')).config?.version).toBe(1);
    expect(mistakes(await save('{{secret:TICKET_TOKN}}', 'http'))).toEqual([
      '/steps/0/input/x unknown_secret there is no secret "TICKET_TOKN"; did you mean "TICKET_TOKEN"?',
    ]);
    expect(mistakes(await save('{{secret:TICKET_TOKEN}}', 'own'))).toEqual([
      expect.stringContaining('/steps/0/input/x secret_not_allowed'),
    ]);
    expect(mistakes(await save('{{secret:TICKET_TOKEN}}', 'http', other))).toEqual([
      expect.stringContaining('/steps/0/input/x unknown_secret'),
    ]);
  });
});

describe('the key of secrets', () => {
  it('is replaced: the new one is added, a start encrypts everything again, and the old one is removed', async () => {
    const [db, nats] = await Promise.all([createTestDatabase(), startTestNats()]);
    const quiet = createLogger({ service: 'config', level: 'silent' });
    const [old, fresh] = [randomBytes(32).toString('base64'), randomBytes(32).toString('base64')];
    const connection = await connectNats({ url: nats.url, name: 'test', logger });
    const client = controlClientOver(connection);
    const stored = new pg.Client({ connectionString: db.url });
    await stored.connect();
    const running = async <T>(keys: string, work: () => Promise<T>): Promise<T> => {
      const settings = { ...settingsFor(db.url, nats.url), secretsKeys: keys === '' ? undefined : new Secret(keys) };
      const service = await startConfig({ settings, logger: quiet, opsServer: false });
      try {
        return await work();
      } finally {
        await service.close();
      }
    };
    const values = (): Promise<ResolveSecretsReply> =>
      client.request<ResolveSecretsReply>(operations.secrets.resolve.subject, {
        tenantId: 'default',
        names: ['A', 'B'],
      });
    const rows = async (): Promise<string> => {
      const { rows: found } = await stored.query('SELECT wrapped_key, sealed FROM config.secrets ORDER BY name');
      return JSON.stringify(found);
    };
    const set = (name: string): Promise<SecretReply> =>
      client.request<SecretReply>(operations.secrets.put.subject, {
        principal: me,
        name,
        body: { value: `${VALUE} ${name}` },
      });
    const both = { values: { A: `${VALUE} A`, B: `${VALUE} B` } };
    try {
      await running('', async () => {
        await stored.query(`INSERT INTO config.tenants (id) VALUES ('default') ON CONFLICT DO NOTHING`);
        expect((await set('A')).refused?.code).toBe('not_applicable');
      });
      await running(old, async () => {
        await set('A');
        await set('B');
        expect(await values()).toEqual(both);
      });
      const before = await rows();
      await running(`${old},${fresh}`, async () => expect(await values()).toEqual(both));
      expect(await rows()).toBe(before);
      await running(`${fresh},${old}`, async () => expect(await values()).toEqual(both));
      expect(await rows()).not.toBe(before);
      await running(fresh, async () => expect(await values()).toEqual(both));
      // Without the key nothing is told, and nothing is lost.
      await running(old, async () => expect((await values()).refused?.code).toBe('unavailable'));
      await running(fresh, async () => expect(await values()).toEqual(both));
    } finally {
      await stored.end();
      await connection.close();
      await nats.close();
      await db.drop();
    }
  });
});
