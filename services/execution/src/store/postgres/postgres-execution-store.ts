import type { Event, JsonObject, JsonValue } from '@batuta/contracts';
import { PostgresEventStore, PostgresStreams, UNIQUE_VIOLATION, encodeJson } from '@batuta/event-store';
import type { PostgresEventStoreOptions } from '@batuta/event-store';
import { STREAM_KINDS } from '../kinds.js';
import type {
  AgentCopy,
  AgentModelCopy,
  DeletedExecution,
  ExecutionRows,
  ExecutionStore,
  RemovedHistory,
  RestoreOutcome,
  Start,
} from '../port.js';
import { EXECUTION_ROWS, encodeExecutionRows } from './execution-rows.js';
import { READ_AGENT, READ_CONFIG, WRITE_AGENT, WRITE_CONFIG } from './sql/copies.js';
import { READ_DELETED, REMOVE_HISTORY, RESTORE_HISTORY } from './sql/history.js';
import { READ_STARTS, READ_TASK_KEY, READ_UNFINISHED } from './sql/read.js';

interface StartRow {
  readonly execution_id: string;
  readonly version: number;
  readonly type: string;
  readonly data: unknown;
}

const STREAMS = new PostgresStreams(STREAM_KINDS, EXECUTION_ROWS);

/** The store of the execution service in PostgreSQL. Run `migrateEventStore` first. */
export class PostgresExecutionStore extends PostgresEventStore<Event, ExecutionRows> implements ExecutionStore {
  constructor(options: PostgresEventStoreOptions) {
    super(options, STREAMS);
  }

  /** The key of the tokens in tasks. `wanted`: see `fixPartitionCount`, which creates the row that holds the key. */
  async taskKey(wanted: number): Promise<Uint8Array> {
    await this.fixPartitionCount(wanted);
    const [row] = await this.rows<{ task_key: Buffer }>('read-task-key', READ_TASK_KEY, []);
    if (row === undefined) throw new Error('the settings row has vanished');
    return row.task_key;
  }

  async readStarts(ids: readonly string[]): Promise<Map<string, Start>> {
    const rows = await this.rows<StartRow>('read-starts', READ_STARTS, [ids]);
    return new Map(rows.map((row) => [row.execution_id, this.upcast(row).data as Start]));
  }

  async readUnfinished(partition: number, afterId: string | undefined, limit: number): Promise<string[]> {
    const rows = await this.rows<{ id: string }>('read-unfinished', READ_UNFINISHED, [
      partition,
      afterId ?? null,
      limit,
    ]);
    return rows.map((row) => row.id);
  }

  readDeleted(partitions: readonly number[], limit: number): Promise<DeletedExecution[]> {
    return this.rows<DeletedExecution>('read-deleted', READ_DELETED, [partitions, limit]);
  }

  async removeHistory(ids: readonly string[]): Promise<string[]> {
    const rows = await this.rows<{ id: string }>('remove-history', REMOVE_HISTORY, [ids]);
    return rows.map(({ id }) => id);
  }

  async restoreHistory({ executionId, events, row }: RemovedHistory): Promise<RestoreOutcome> {
    const given = events.map(({ version, position, at, type, commandId, data, link }) => ({
      version,
      position,
      at,
      type,
      command_id: commandId,
      data,
      link,
    }));
    const values = [executionId, row.progress.version, encodeJson(given), encodeExecutionRows([row])];
    try {
      const [found] = await this.rows<{ back: number; present: number }>('restore-history', RESTORE_HISTORY, values);
      if ((found?.back ?? 0) > 0) return 'restored';
      return (found?.present ?? 0) > 0 ? 'present' : 'different';
    } catch (error) {
      // Another request has put them back at the same moment.
      if ((error as { code?: string }).code === UNIQUE_VIOLATION) return 'present';
      throw error;
    }
  }

  async readConfig(configId: string, version: number): Promise<JsonObject | undefined> {
    const [row] = await this.rows<{ definition: JsonObject }>('read-config', READ_CONFIG, [configId, version]);
    return row?.definition;
  }

  async writeConfig(configId: string, version: number, tenantId: string, definition: JsonObject): Promise<void> {
    await this.rows('write-config', WRITE_CONFIG, [configId, version, tenantId, encodeJson(definition)]);
  }

  async readAgent(tenantId: string, name: string): Promise<AgentCopy | undefined> {
    const [row] = await this.rows<{
      pool: string;
      input_schema: JsonValue;
      output_schema: JsonValue;
      model: AgentModelCopy | null;
    }>('read-agent', READ_AGENT, [tenantId, name]);
    if (row === undefined) return undefined;
    return {
      pool: row.pool,
      ...(row.input_schema === null ? {} : { inputSchema: row.input_schema }),
      ...(row.output_schema === null ? {} : { outputSchema: row.output_schema }),
      ...(row.model === null ? {} : { model: row.model }),
    };
  }

  async writeAgent(tenantId: string, name: string, agent: AgentCopy): Promise<void> {
    const { pool, inputSchema, outputSchema, model } = agent;
    await this.rows('write-agent', WRITE_AGENT, [
      tenantId,
      name,
      pool,
      inputSchema === undefined ? null : encodeJson(inputSchema),
      outputSchema === undefined ? null : encodeJson(outputSchema),
      model === undefined ? null : encodeJson(model as unknown as JsonObject),
    ]);
  }
}
