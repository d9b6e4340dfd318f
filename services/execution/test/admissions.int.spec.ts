import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AdmitReply, AdmitRequest } from '@batuta/contracts';
import { migrateEventStore } from '@batuta/event-store';
import { tenantPool } from '@batuta/service';
import { createTestDatabase, eventually, templateFor, urlAs } from '@batuta/testing';
import type { TestDatabase } from '@batuta/testing';
import pg from 'pg';
import { Admissions } from '../src/tenants/admissions.js';
import { executionId } from './fixtures.js';

let database: TestDatabase;
let pools: pg.Pool[];
/** Two engines. */
let engines: Admissions[];
let sql: pg.Pool;

beforeAll(async () => {
  database = await createTestDatabase({ template: await templateFor('execution', migrateEventStore) });
  const connectionString = urlAs('execution', database.url);
  const request = [0, 1].map(() => tenantPool(pg, 'execution', { connectionString, max: 4 }));
  engines = request.map((pool) => new Admissions(pool, () => 7));
  sql = new pg.Pool({ connectionString: database.url, max: 4 });
  pools = [...request, sql];
});

afterAll(async () => {
  await Promise.all((pools ?? []).map((pool) => pool.end()));
  await database?.drop();
});

const request = (tenantId: string, more: Partial<AdmitRequest> = {}): AdmitRequest => ({
  tenantId,
  commandId: randomUUID(),
  executionId: executionId(),
  start: true,
  startsPerSecond: 0,
  unfinishedExecutions: 0,
  executionBytes: 0,
  holdsMs: 60_000,
  bytes: 0,
  ...more,
});

const admit = (asked: AdmitRequest, engine = 0): Promise<AdmitReply> => (engines[engine] as Admissions).admit(asked);

/** Many requests at once, on both engines. */
async function together(asked: readonly AdmitRequest[]): Promise<{ admitted: AdmitRequest[]; refused: AdmitReply[] }> {
  const replies = await Promise.all(asked.map((one, index) => admit(one, index % 2)));
  return {
    admitted: asked.filter((_, index) => replies[index]?.refused === undefined),
    refused: replies.filter(({ refused }) => refused !== undefined),
  };
}

async function store(tenantId: string, id: string, version: number, unfinished: boolean): Promise<void> {
  await sql.query(
    `INSERT INTO execution.orchestration_executions
       (id, trace_id, config_id, config_name, status, user_id, tenant_id, created_at, created_by, config_version, partition, version, wake_at)
     VALUES ($1, $6, 'c', 'c', $5, 'u', $2, now(), 'u', 1, 0, $3, $4)
     ON CONFLICT (id) DO UPDATE SET version = excluded.version, wake_at = excluded.wake_at, status = excluded.status`,
    [id, tenantId, version, unfinished ? 1 : null, unfinished ? 'running' : 'failed', id],
  );
}

describe('admissions', () => {
  it('let exactly as many executions through as may be unfinished, whoever asks at the same time', async () => {
    const limits = { unfinishedExecutions: 5 };
    const { admitted, refused } = await together(Array.from({ length: 40 }, () => request('many', limits)));
    expect(admitted).toHaveLength(5);
    expect(refused[0]?.refused).toMatchObject({
      code: 'limit_reached',
      details: { limit: 'unfinished_executions', most: 5 },
    });
    // They begin. Then one ends, and there is a free place again.
    for (const one of admitted) await store('many', one.executionId, 3, true);
    expect((await admit(request('many', limits))).refused?.code).toBe('limit_reached');
    await store('many', admitted[0]?.executionId ?? '', 9, false);
    await eventually(async () => expect((await admit(request('many', limits))).refused).toBeUndefined());
    expect((await admit(request('many', limits))).refused?.code).toBe('limit_reached');
  });

  it('count what was there before the limit was set', async () => {
    for (let n = 0; n < 3; n += 1) await store('before', executionId(), 1, true);
    expect((await admit(request('before', { startsPerSecond: 1_000 }))).refused).toBeUndefined();
    const { admitted } = await together(
      Array.from({ length: 10 }, () => request('before', { unfinishedExecutions: 6 })),
    );
    // Of the six, three run and one was accepted before.
    expect(admitted).toHaveLength(2);
  });

  it('let a rate through and no more, and say when to try again', async () => {
    const limits = { startsPerSecond: 10 };
    const began = performance.now();
    const { admitted, refused } = await together(Array.from({ length: 60 }, () => request('fast', limits)));
    const seconds = (performance.now() - began) / 1_000;
    expect(admitted.length).toBeGreaterThanOrEqual(10);
    expect(admitted.length).toBeLessThanOrEqual(10 + Math.ceil(10 * seconds));
    const { details } = refused[0]?.refused ?? {};
    expect(details).toMatchObject({ limit: 'starts_per_second', most: 10 });
    expect(details?.['retry_after_ms']).toBeLessThanOrEqual(1_000);
    await eventually(async () => expect((await admit(request('fast', limits))).refused).toBeUndefined());
  });

  it('count a command once that is asked for twice, and nothing for what was started before', async () => {
    const limits = { unfinishedExecutions: 1 };
    const first = request('twice', limits);
    expect((await admit(first)).refused).toBeUndefined();
    expect((await admit(first, 1)).refused).toBeUndefined();
    expect((await admit(request('twice', limits))).refused?.code).toBe('limit_reached');
    await store('twice', first.executionId, 1, true);
    const repeat = request('twice', { ...limits, executionId: first.executionId });
    expect((await admit(repeat)).refused).toBeUndefined();
  });

  it('count an ended execution that is to go on, and not one that runs', async () => {
    const limits = { unfinishedExecutions: 2 };
    const ended = executionId();
    const running = executionId();
    await store('again', ended, 8, false);
    await store('again', running, 4, true);
    const again = { ...limits, start: false };
    expect((await admit(request('again', { ...again, executionId: running }))).refused).toBeUndefined();
    expect((await admit(request('again', { ...again, executionId: ended }))).refused).toBeUndefined();
    // The same execution with another command does not evade the limit.
    expect((await admit(request('again', { ...again, executionId: ended }))).refused?.code).toBe('limit_reached');
  });

  it('forget a command that had no effect in its time', async () => {
    const limits = { unfinishedExecutions: 1 };
    expect((await admit(request('lost', { ...limits, holdsMs: 300 }))).refused).toBeUndefined();
    expect((await admit(request('lost', limits))).refused?.code).toBe('limit_reached');
    await eventually(async () => expect((await admit(request('lost', limits))).refused).toBeUndefined());
  });

  it('do not take the executions of another tenant for its own', async () => {
    const foreign = executionId();
    await store('owner', foreign, 1, true);
    const limits = { unfinishedExecutions: 1, executionId: foreign, start: false };
    expect((await admit(request('thief', limits))).refused).toBeUndefined();
    expect((await admit(request('thief', { unfinishedExecutions: 1 }))).refused?.code).toBe('limit_reached');
    expect((await admit(request('owner', { unfinishedExecutions: 2 }))).refused).toBeUndefined();
  });

  it('refuse what would go past the bytes of events, together with what others bring', async () => {
    const id = executionId();
    await store('large', id, 1, false);
    await sql.query(
      `INSERT INTO execution.events (partition, version, position, at, execution_id, type, command_id, data)
       VALUES (0, 1, 1, 0, $1, 'ExecutionStarted', 'c', jsonb_build_object('x', repeat(md5(random()::text), 40)))`,
      [id],
    );
    const used = (await (engines[0] as Admissions).use({ tenantId: 'large' })).executionBytes ?? 0;
    expect(used).toBeGreaterThan(0);
    const limits = { executionBytes: used + 1_000, bytes: 400 };
    const replies = await Promise.all(Array.from({ length: 6 }, () => admit(request('large', limits))));
    expect(replies.filter(({ refused }) => refused === undefined)).toHaveLength(2);
    expect(replies.at(-1)?.refused?.details).toMatchObject({ limit: 'execution_bytes' });
  });

  it('serve as many WebSockets as a tenant may have, over all gateways', async () => {
    const open = new Map<string, number>();
    const ask = async (gateway: string, more: number, most = 5): Promise<boolean> => {
      const sockets = (open.get(gateway) ?? 0) + more;
      const reply = await (engines[gateway === 'a' ? 0 : 1] as Admissions).sockets({
        gateway,
        tenantId: 'sockets',
        sockets,
        most,
      });
      if (reply.refused === undefined) open.set(gateway, sockets);
      return reply.refused === undefined;
    };
    const fill = async (gateway: string): Promise<void> => {
      for (let n = 0; n < 10; n += 1) await ask(gateway, 1);
    };
    await Promise.all([fill('a'), fill('b')]);
    expect((open.get('a') ?? 0) + (open.get('b') ?? 0)).toBe(5);
    expect((await (engines[0] as Admissions).use({ tenantId: 'sockets' })).websockets).toBe(5);
    const fuller = (open.get('a') ?? 0) > (open.get('b') ?? 0) ? 'a' : 'b';
    expect(await ask(fuller, -1, 0)).toBe(true);
    expect(await ask(fuller === 'a' ? 'b' : 'a', 1)).toBe(true);
    expect(await ask('a', 1)).toBe(false);
    // A gateway that has ended does not count any more.
    await sql.query(`UPDATE execution.tenant_sockets SET seen_at = seen_at - 60000 WHERE gateway = $1`, [fuller]);
    expect(await ask('c', 1)).toBe(true);
  });

  it('say what a tenant uses now', async () => {
    await store('user', executionId(), 1, true);
    expect(await (engines[0] as Admissions).use({ tenantId: 'user' })).toEqual({
      runningAttempts: 7,
      startsPerSecond: 1,
      unfinishedExecutions: 1,
      executionBytes: 0,
    });
  });
});
