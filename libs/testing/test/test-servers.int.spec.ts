import { describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { natsServers } from '@batuta/settings';
import { existsSync } from 'node:fs';
import pg from 'pg';
import { createTestDatabase, eventually, LeakedConnectionsError, startTestNats, templateFor } from '@batuta/testing';

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('test databases', () => {
  it('copies a template that is migrated once, even when several ask for it at the same time', async () => {
    let migrations = 0;
    const migrate = async (url: string) => {
      migrations += 1;
      await query(url, 'CREATE TABLE score (bar int); INSERT INTO score VALUES (7)');
    };
    const templates = await Promise.all([1, 2, 3].map(() => templateFor('test_servers_once', migrate)));
    expect(migrations).toBe(1);
    const [one, two] = await Promise.all(templates.slice(0, 2).map((template) => createTestDatabase({ template })));
    await query(one!.url, 'UPDATE score SET bar = 8');
    expect(await query(two!.url, 'SELECT bar FROM score')).toEqual([{ bar: 7 }]);
    await Promise.all([one!.drop(), two!.drop()]);
  });

  it('creates a template again after its migration failed', async () => {
    await expect(templateFor('test_servers_again', () => Promise.reject(new Error('no such column')))).rejects.toThrow(
      'no such column',
    );
    const template = await templateFor('test_servers_again', async (url) => {
      await query(url, 'CREATE TABLE second_try ()');
    });
    const database = await createTestDatabase({ template });
    expect(await query(database.url, 'SELECT FROM second_try')).toEqual([]);
    await database.drop();
  });

  it('lists the connections that a test left open, and still removes the database', async () => {
    const database = await createTestDatabase();
    const leaked = new pg.Client({ connectionString: database.url, application_name: 'forgotten-pool' });
    const cut = new Promise<Error>((resolve) => leaked.on('error', resolve));
    await leaked.connect();
    await leaked.query('SELECT 42 AS last_statement');
    const error = await database.drop().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(LeakedConnectionsError);
    expect((error as Error).message).toMatch(/forgotten-pool .*SELECT 42 AS last_statement/);
    expect(await cut).toBeInstanceOf(Error);
    await expect(query(database.url, 'SELECT 1')).rejects.toThrow(/does not exist/);
  });
});

describe('a test nats-server', () => {
  const connection = async (url: string): Promise<NatsConnection> =>
    await connect({ ...natsServers(url), reconnect: false, timeout: 5000 });

  async function messages(url: string, stream: string): Promise<number> {
    const nc = await connection(url);
    try {
      return (await (await jetstreamManager(nc)).streams.info(stream)).state.messages;
    } finally {
      await nc.close();
    }
  }

  async function publish(url: string): Promise<void> {
    const nc = await connection(url);
    await (await jetstreamManager(nc)).streams.add({ name: 'NOTES', subjects: ['notes.*'] });
    await jetstream(nc).publish('notes.a', 'do');
    await nc.close();
  }

  it('keeps its port and store after a kill, and loses the store only when it is deleted', async () => {
    const nats = await startTestNats();
    try {
      const { pid, port } = nats;
      await publish(nats.url);
      await nats.kill();
      expect(nats.running).toBe(false);
      await expect(connection(nats.url)).rejects.toThrow(/refused/i);
      await nats.start();
      expect(nats.port).toBe(port);
      expect(nats.pid).not.toBe(pid);
      expect(await messages(nats.url, 'NOTES')).toBe(1);
      await expect(nats.deleteStore()).rejects.toThrow(/Stop nats-server/);
      await nats.stop();
      await nats.deleteStore();
      await nats.start();
      await expect(messages(nats.url, 'NOTES')).rejects.toThrow(/not found/);
    } finally {
      await nats.close();
    }
    expect(existsSync(nats.storeDir)).toBe(false);
  });

  it('refuses a client without its password, and accepts messages of 8 MiB', async () => {
    const nats = await startTestNats();
    try {
      await expect(connect({ servers: `127.0.0.1:${nats.port}`, reconnect: false })).rejects.toThrow(/authorization/i);
      const nc = await connection(nats.url);
      expect(nc.info?.max_payload).toBe(8 * 1024 * 1024);
      await nc.close();
    } finally {
      await nats.close();
    }
  });
});

describe('eventually', () => {
  it('returns the first value that holds, and names the condition when it fails', async () => {
    let calls = 0;
    const value = await eventually(
      () => {
        calls += 1;
        expect(calls).toBeGreaterThan(2);
        return calls;
      },
      { intervalMs: 1 },
    );
    expect(value).toBe(3);
    await expect(
      eventually(() => false, { timeoutMs: 5, intervalMs: 1, describe: 'the moon is full' }),
    ).rejects.toThrow('Waited 5 ms in vain until the moon is full.');
  });
});
