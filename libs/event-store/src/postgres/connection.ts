import pg from 'pg';

const INT8 = 20;

/** Reads int8 as numbers: positions and milliseconds stay below 2^53. */
export const numericTypes = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === INT8 ? Number : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
};

/** Codes after which it is unknown what the server did: connection failures and shutdowns. */
const UNKNOWN = /^(08|57P)/;
/**
 * Codes after which a retry of the same statement may succeed: conflicts, resources, locks, cancellations, read-only,
 * I/O.
 */
const TRANSIENT = /^(40|53|55|57|58|25006)/;

type StatementFailure =
  | { readonly kind: 'rejected'; readonly code: string; readonly message: string; readonly transient: boolean }
  | { readonly kind: 'unknown'; readonly message: string };

/** Whether PostgreSQL itself reported that the statement had no effect, or its outcome is unknown. */
export function classifyFailure(error: unknown): StatementFailure {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof pg.DatabaseError && error.code !== undefined && !UNKNOWN.test(error.code)) {
    return { kind: 'rejected', code: error.code, message, transient: TRANSIENT.test(error.code) };
  }
  return { kind: 'unknown', message };
}

export interface ConnectionOptions {
  readonly databaseUrl: string;
  readonly applicationName: string;
  readonly connectTimeoutMs: number;
  /** Milliseconds without an answer after which the connection is closed. */
  readonly statementTimeoutMs: number;
}

/**
 * One connection. It is opened when needed, and discarded after a failure that leaves its state unknown. Statements
 * that are sent while others are in flight take effect after those: they use the same connection or fail.
 */
export class StatementConnection {
  readonly #options: ConnectionOptions;
  #client: Promise<pg.Client> | undefined;
  /** The connection of the statements in flight. */
  #busy: Promise<pg.Client> | undefined;
  #inFlight = 0;
  #closed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** Statements in flight. */
  get inFlight(): number {
    return this.#inFlight;
  }

  async query<R extends pg.QueryResultRow>(statement: pg.QueryConfig): Promise<R[]> {
    if (this.#closed) throw new Error('the connection is closed');
    if (this.#inFlight > 0 && this.#client !== this.#busy) {
      throw new Error('the previous statement has lost its connection');
    }
    const opened = (this.#client ??= this.#open());
    this.#busy = opened;
    this.#inFlight += 1;
    try {
      return await this.#send<R>(await opened, statement);
    } finally {
      this.#inFlight -= 1;
    }
  }

  async #send<R extends pg.QueryResultRow>(client: pg.Client, statement: pg.QueryConfig): Promise<R[]> {
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<R[]>((resolve, reject) => {
        timer = setTimeout(
          () => reject(new Error(`no answer within ${this.#options.statementTimeoutMs} ms`)),
          this.#options.statementTimeoutMs,
        );
        client.query<R>(statement, (error: Error | null, result: pg.QueryResult<R>) => {
          if (error === null) resolve(result.rows);
          else reject(error);
        });
      });
    } catch (error) {
      if (classifyFailure(error).kind === 'unknown') this.#discard(client);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const client = await this.#client?.catch(() => undefined);
    this.#client = undefined;
    await client?.end();
  }

  async #open(): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: this.#options.databaseUrl,
      application_name: this.#options.applicationName,
      connectionTimeoutMillis: this.#options.connectTimeoutMs,
      keepAlive: true,
      pipeline: true,
      types: numericTypes,
    });
    client.on('error', () => this.#discard(client));
    try {
      await client.connect();
      return client;
    } catch (error) {
      this.#client = undefined;
      throw error;
    }
  }

  #discard(client: pg.Client): void {
    this.#client = undefined;
    // end() would wait for the server to close the connection, which a dead server never does.
    (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  }
}
