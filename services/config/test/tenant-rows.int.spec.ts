import { seeingEverybody, tenantPool } from '@batuta/service';
import { Secret } from '@batuta/settings';
import { createTestDatabase, urlAs } from '@batuta/testing';
import type { TestDatabase } from '@batuta/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { DataSource } from 'typeorm';
import { ConfigRows, configDataSource, migrateAsOwner, requestDriver } from '../src/database/data-source.js';

const NO_RIGHT = '42501';

let database: TestDatabase;
let admin: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  await migrateAsOwner(new Secret(database.url));
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  for (const tenant of ['alice', 'bob']) {
    await admin.query('INSERT INTO config.tenants (id) VALUES ($1)', [tenant]);
    await admin.query(
      `INSERT INTO config.secrets (tenant_id, name, id, version, description, wrapped_key, sealed, updated_by)
       VALUES ($1, 'key', gen_random_uuid(), 1, '', '', '', '')`,
      [tenant],
    );
  }
});

afterAll(async () => {
  await admin?.end();
  await database?.drop();
});

describe('the connections of a service', () => {
  let opened: DataSource;
  let rows: ConfigRows;

  beforeAll(async () => {
    opened = configDataSource({
      databaseUrl: new Secret(urlAs('config', database.url)),
      connections: 1,
      driver: requestDriver,
    });
    await opened.initialize();
    rows = new ConfigRows(opened);
  });
  afterAll(async () => {
    await opened?.destroy();
  });
  const names = 'SELECT tenant_id FROM config.secrets ORDER BY 1';

  it('see what the request before them saw no more, also in its place on the same connection', async () => {
    expect(await rows.of('alice').query(names)).toEqual([{ tenant_id: 'alice' }]);
    expect(await rows.of('bob').query(names)).toEqual([{ tenant_id: 'bob' }]);
    expect(await opened.query(names)).toEqual([]);
    expect(await rows.everybody.query(names)).toHaveLength(2);
    expect(await opened.query(names)).toEqual([]);
    await Promise.all(
      Array.from({ length: 40 }, async (_, n) => {
        const tenant = n % 2 === 0 ? 'alice' : 'bob';
        expect(await rows.of(tenant).query(names)).toEqual([{ tenant_id: tenant }]);
      }),
    );
  });

  it('see it in a whole transaction, and everybody’s only while that is asked for', async () => {
    await rows.of('alice').transaction(async (manager) => {
      expect(await manager.query(names)).toEqual([{ tenant_id: 'alice' }]);
      expect(await seeingEverybody(manager, () => manager.query(names))).toHaveLength(2);
      expect(await manager.query(names)).toEqual([{ tenant_id: 'alice' }]);
      // Back to a savepoint, what was said since is forgotten by PostgreSQL.
      const nested = manager.transaction(async (inner) => {
        await seeingEverybody(inner, () => inner.query(names));
        throw new Error('back');
      });
      await expect(nested).rejects.toThrow('back');
      expect(await manager.query(names)).toEqual([{ tenant_id: 'alice' }]);
      await seeingEverybody(manager, () => manager.query(names));
    });
    expect(await opened.query(names)).toEqual([]);
  });

  it('go on after a statement that failed, with nothing of it left', async () => {
    await expect(rows.of('alice').query('SELECT 1/0')).rejects.toMatchObject({ code: '22012' });
    const failed = rows.of('alice').transaction(async (manager) => {
      await manager.query(`INSERT INTO config.tenants (id) VALUES ('bob')`);
    });
    await expect(failed).rejects.toMatchObject({ code: NO_RIGHT });
    expect(await opened.query(names)).toEqual([]);
    expect(await rows.of('bob').query(names)).toEqual([{ tenant_id: 'bob' }]);
  });

  it('take no tenant that could be more than a name in a statement', async () => {
    await expect(rows.of(`x'; SET ROLE NONE; --`).query(names)).rejects.toThrow('malformed');
    expect(await opened.query(names)).toEqual([]);
  });

  it('report a commit that fails', async () => {
    await admin.query('CREATE TABLE config.late (id int, CONSTRAINT once UNIQUE (id) DEFERRABLE INITIALLY DEFERRED)');
    await admin.query('GRANT INSERT, SELECT ON config.late TO batuta_config_tenant');
    try {
      const twice = rows.of('alice').query('INSERT INTO config.late VALUES (1), (1)');
      await expect(twice).rejects.toMatchObject({ code: '23505' });
    } finally {
      await admin.query('DROP TABLE config.late');
    }
  });

  it('send a statement with whose it is in one message to the server and back', async () => {
    const pool = tenantPool(pg, 'config', { connectionString: urlAs('config', database.url), max: 1 });
    const client = await pool.connect();
    const { stream } = (client as unknown as { connection: { stream: NodeJS.WritableStream } }).connection;
    const write = stream.write.bind(stream) as (...all: unknown[]) => boolean;
    const steps: string[] = [];
    stream.write = ((...all: unknown[]) => {
      steps.push('sent');
      return write(...all);
    }) as typeof stream.write;
    (client as unknown as { connection: NodeJS.EventEmitter }).connection.on('readyForQuery', () =>
      steps.push('answered'),
    );
    try {
      await client.query('SELECT 1');
      expect(steps.filter((step) => step === 'answered')).toHaveLength(3);
      // Everything was on its way before the first answer came.
      expect(steps.indexOf('answered')).toBe(steps.lastIndexOf('sent') + 1);
    } finally {
      client.release(true);
      await pool.end();
    }
  });
});
