import { DEFAULT_TENANT, SEE_ALL_TENANTS } from '@batuta/contracts';
import { migrateEventStore } from '@batuta/event-store';
import pg from 'pg';
import { openArchive } from '../archive/archive-settings.js';
import type { ArchiveSettings } from '../archive/archive-settings.js';
import type { ArchiveStore } from '../archive/archive-store.js';
import {
  BEGIN_ERASURE,
  ARCHIVES_SOMETHING,
  COUNT_ACTIVE,
  COUNT_CONFIG_COPIES,
  COUNT_OPEN,
  END_ERASURE,
  ERASE_CONFIG_COPIES,
  ERASE_EVENTS,
  ERASE_ROWS,
  IDS_OF_TENANT,
  NOTE_ERASED,
  SAY_WHOSE,
  SOME_EXECUTIONS,
  TABLES_OF_EXECUTIONS,
  TABLES_OF_TENANTS,
} from './sql.js';

export interface Erasure {
  /** Rows by `schema.table`: existing ones, or removed ones. */
  readonly rows: Readonly<Record<string, number>>;
  /**
   * Executions that have not ended, and schedules that still have something to do. They keep an erasure from being
   * completed.
   */
  readonly open: number;
  /** Active schedules, which would start more executions. They keep an erasure from beginning. */
  readonly active: number;
  /** Archive files: those that are there, or those that were removed. */
  readonly archives: number;
  readonly erased: boolean;
}

/** The name of a table, and its SQL. */
interface Table {
  readonly name: string;
  readonly sql: string;
}

/** Executions in one transaction. */
const BATCH = 100;
const FOREIGN_KEY_VIOLATION = '23503';

/** A tenant that cannot be erased. */
export class ErasureError extends Error {
  override readonly name = 'ErasureError';
}

/**
 * Counts every row of a tenant in the tables of all services, and removes them with `confirmed`. A table's rows belong
 * to it by the column `tenant_id`, or by the executions that they refer to. So tables of later versions are included
 * too.
 *
 * Its keys are removed first, so that nobody starts anything more. While schedules are active, nothing is removed,
 * because only its keys can end them. While executions run, the rest stays: call this again when they have ended, or
 * after a crash, and it continues. The links of the log's events stay, because signed checkpoints need them and they do
 * not reveal the events. The tenant's files in the archive are removed last. Rows and files of other tenants are never
 * removed.
 * @throws ErasureError for the platform's own tenant, and when something of the tenant is archived and `archive` names
 * no archive; and the errors of PostgreSQL and of the archive.
 */
export async function eraseTenant(
  databaseUrl: string,
  tenantId: string,
  confirmed: boolean,
  onProgress: (table: string, rows: number) => void = () => undefined,
  archive: ArchiveSettings = { archiveS3Region: '' },
): Promise<Erasure> {
  if (tenantId === DEFAULT_TENANT) {
    throw new ErasureError(`the tenant "${DEFAULT_TENANT}" is that of the platform itself and cannot be erased`);
  }
  await migrateEventStore(databaseUrl);
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'batuta-erase-tenant' });
  await client.connect();
  await client.query(SEE_ALL_TENANTS);
  try {
    const store = openArchive(archive);
    if (store === undefined && (await archivesSomething(client, tenantId))) {
      const message = `executions of "${tenantId}" are archived, or a policy of it archives: set BATUTA_ARCHIVE_URL as the platform has it`;
      throw new ErasureError(message);
    }
    const eraser = new Eraser(client, tenantId, onProgress, store);
    return confirmed ? await eraser.erase() : await eraser.found();
  } finally {
    await client.end();
  }
}

async function archivesSomething(client: pg.Client, tenantId: string): Promise<boolean> {
  const { rows } = await client.query<{ found: boolean }>(ARCHIVES_SOMETHING, [tenantId]);
  return rows[0]?.found === true;
}

class Eraser {
  readonly #client: pg.Client;
  readonly #tenantId: string;
  readonly #onProgress: (table: string, rows: number) => void;
  readonly #archive: ArchiveStore | undefined;

  constructor(
    client: pg.Client,
    tenantId: string,
    onProgress: (table: string, rows: number) => void,
    archive: ArchiveStore | undefined,
  ) {
    this.#client = client;
    this.#tenantId = tenantId;
    this.#onProgress = onProgress;
    this.#archive = archive;
  }

  /** Counts the existing rows. */
  async found(): Promise<Erasure> {
    return {
      rows: await this.#count(),
      open: await this.#countOf(COUNT_OPEN),
      active: await this.#countOf(COUNT_ACTIVE),
      archives: await this.#archives(() => Promise.resolve()),
      erased: false,
    };
  }

  /** Does something with each archive file of the tenant. How many there are. */
  async #archives(each: (store: ArchiveStore, name: string) => Promise<void>): Promise<number> {
    const store = this.#archive;
    let files = 0;
    if (store === undefined) return files;
    for await (const name of store.list(this.#tenantId)) {
      await each(store, name);
      files += 1;
    }
    return files;
  }

  async #count(): Promise<Record<string, number>> {
    const rows: Record<string, number> = {};
    const note = (name: string, found: number): void => {
      if (found > 0) rows[name] = found;
    };
    for (const { name, sql } of await this.#tables(TABLES_OF_TENANTS)) {
      note(name, await this.#countOf(`SELECT count(*)::int AS n FROM ${sql} WHERE tenant_id = $1`));
    }
    for (const { name, sql } of await this.#tables(TABLES_OF_EXECUTIONS)) {
      note(
        name,
        await this.#countOf(`SELECT count(*)::int AS n FROM ${sql} WHERE execution_id::text IN (${IDS_OF_TENANT})`),
      );
    }
    if (await this.#has('config.orchestration_configs')) {
      note('execution.config_versions', await this.#countOf(COUNT_CONFIG_COPIES));
    }
    if (await this.#has('config.tenants')) {
      note('config.tenants', await this.#countOf('SELECT count(*)::int AS n FROM config.tenants WHERE id = $1'));
    }
    return rows;
  }

  async erase(): Promise<Erasure> {
    if ((await this.#countOf(COUNT_ACTIVE)) > 0) return this.found();
    await this.#client.query(BEGIN_ERASURE, [this.#tenantId]);
    const tables = await this.#tables(TABLES_OF_TENANTS);
    const keys = tables.find(({ name }) => name === 'config.api_keys');
    if (keys !== undefined) await this.#eraseTable(keys);
    while (await this.#eraseExecutions());
    if ((await this.#countOf(COUNT_OPEN)) > 0) return this.found();
    // Copies of configs do not name their tenant, but the configs do, and these are removed later.
    if (await this.#has('config.orchestration_configs')) {
      await this.#inTransaction(async () => {
        const { rowCount } = await this.#client.query(ERASE_CONFIG_COPIES, [this.#tenantId]);
        await this.#note('execution.config_versions', rowCount ?? 0);
      });
    }
    await this.#eraseTables(tables);
    if (await this.#has('config.tenants')) {
      await this.#eraseTable({ name: 'config.tenants', sql: 'config.tenants' }, 'id');
    }
    // Nothing of it can be archived any more, but for what an engine has read just before; see `RetentionJob`.
    const archives = await this.#archives((store, name) => store.remove(name));
    const { rows } = await this.#client.query<{ removed: Record<string, number> }>(END_ERASURE, [this.#tenantId]);
    return { rows: rows[0]?.removed ?? {}, open: 0, active: 0, archives, erased: true };
  }

  /**
   * Removes some executions and schedules, with everything that any service stores about them, in one transaction.
   * Returns whether there may be more.
   */
  async #eraseExecutions(): Promise<boolean> {
    const { rows } = await this.#client.query<{ id: string }>(SOME_EXECUTIONS, [this.#tenantId, BATCH]);
    const ids = rows.map(({ id }) => id);
    if (ids.length === 0) return false;
    const others = (await this.#tables(TABLES_OF_EXECUTIONS)).filter(({ name }) => name !== 'execution.events');
    await this.#inTransaction(async () => {
      for (const { name, sql } of others) {
        const found = await this.#client.query(`DELETE FROM ${sql} WHERE execution_id::text = ANY($1::text[])`, [ids]);
        await this.#note(name, found.rowCount ?? 0);
      }
      const events = await this.#client.query<{ removed: number }>(ERASE_EVENTS, [ids]);
      await this.#note('execution.events', events.rows[0]?.removed ?? 0);
      for (const [name, statement] of Object.entries(ERASE_ROWS)) {
        const found = await this.#client.query(statement, [ids]);
        await this.#note(name, found.rowCount ?? 0);
      }
    });
    return true;
  }

  /** A table that others refer to is erased after them. */
  async #eraseTables(tables: readonly Table[]): Promise<void> {
    for (let left = tables; left.length > 0;) {
      const later: Table[] = [];
      let last: unknown;
      for (const table of left) {
        try {
          await this.#eraseTable(table);
        } catch (error) {
          if ((error as { code?: string }).code !== FOREIGN_KEY_VIOLATION) throw error;
          last = error;
          later.push(table);
        }
      }
      if (later.length === left.length) throw last;
      left = later;
    }
  }

  async #eraseTable({ name, sql }: Table, column = 'tenant_id'): Promise<void> {
    await this.#inTransaction(async () => {
      const { rowCount } = await this.#client.query(`DELETE FROM ${sql} WHERE ${column} = $1`, [this.#tenantId]);
      await this.#note(name, rowCount ?? 0);
    });
  }

  async #note(table: string, rows: number): Promise<void> {
    if (rows === 0) return;
    await this.#client.query(NOTE_ERASED, [this.#tenantId, table, rows]);
    this.#onProgress(table, rows);
  }

  async #inTransaction(work: () => Promise<void>): Promise<void> {
    await this.#client.query('BEGIN');
    try {
      await this.#client.query(SAY_WHOSE, [this.#tenantId]);
      await work();
      await this.#client.query('COMMIT');
    } catch (error) {
      await this.#client.query('ROLLBACK').catch(() => undefined);
      throw error;
    }
  }

  async #tables(statement: string): Promise<Table[]> {
    const { rows } = await this.#client.query<{ schema: string; name: string }>(statement);
    return rows.map(({ schema, name }) => ({
      name: `${schema}.${name}`,
      sql: `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(name)}`,
    }));
  }

  async #countOf(statement: string): Promise<number> {
    const { rows } = await this.#client.query<{ n: number }>(statement, [this.#tenantId]);
    return rows[0]?.n ?? 0;
  }

  async #has(table: string): Promise<boolean> {
    const { rows } = await this.#client.query<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [
      table,
    ]);
    return rows[0]?.there === true;
  }
}
