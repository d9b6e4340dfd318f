import { FairGate } from '@batuta/collections';
import { POSTGRES_TENANT_SETTING, postgresTenantRole, TENANT_ID } from '@batuta/contracts';
import type { PostgresService } from '@batuta/contracts';
import type { Client, ClientConfig, Pool, PoolClient, PoolConfig, QueryConfig, QueryResult, QueryResultRow } from 'pg';

/**
 * Whose rows the statements of a connection see: those of one tenant, everybody's (for work that serves all tenants),
 * or nobody's. A connection that was just taken from its pool sees nobody's rows, so a forgotten setting reveals
 * nothing.
 */
export type Sight = { readonly tenantId: string } | 'everybody' | 'nobody';

/** A connection of a `tenantPool`. */
export interface TenantClient {
  sight: Sight;
}

/** The part of `pg` that is used. It is a parameter, so that programs without a database do not load `pg`. */
interface PgModule {
  readonly Client: typeof Client;
  readonly Pool: typeof Pool;
}

export interface Queryable {
  query<R extends QueryResultRow = QueryResultRow>(
    text: string | QueryConfig,
    values?: unknown[],
  ): Promise<QueryResult<R>>;
}

/** A pool restricted to the sight of one tenant, or with the sight of all tenants. */
interface TenantQueries extends Queryable {
  connect(): Promise<PoolClient>;
}

export type TenantPool = Pool & { seen(by: Sight): TenantQueries };

type Done = (error: Error | null, result: QueryResult) => void;
type Text = string | QueryConfig;

const BEGIN = /^\s*(?:BEGIN|START\s+TRANSACTION)\b/i;
const END = /^\s*(?:COMMIT|END|ROLLBACK)\b(?!\s+(?:WORK\s+|TRANSACTION\s+)?TO\b)/i;
const ROLLBACK_TO = /^\s*ROLLBACK\s+(?:WORK\s+|TRANSACTION\s+)?TO\b/i;

const same = (one: Sight | undefined, other: Sight): boolean =>
  one === other || (typeof one === 'object' && typeof other === 'object' && one.tenantId === other.tenantId);

const ignored = (): void => undefined;

/** As `pg` has it. */
const DEFAULT_CONNECTIONS = 10;
const DEFAULT_WAIT_MS = 5_000;
/** Statements of one tenant that may wait for a connection. */
const MOST_WAITING = 10_000;

/**
 * The classes of a pool whose connections work under row level security. A statement outside of a transaction becomes a
 * transaction that first sets whose rows it sees. All of it is sent at once, so it costs no additional round trip. In a
 * transaction, the sight is set after its beginning and whenever it changes. If setting it fails, the transaction
 * fails, so no statement ever runs with the sight of another. If the login may not take on the role of tenants'
 * requests, because an installation uses one role for everything, nothing is set.
 */
function tenantClasses(pg: PgModule, service: PostgresService): { Client: typeof Client; Pool: typeof Pool } {
  const role = postgresTenantRole(service);
  const may = `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = '${role}' AND pg_has_role(oid, 'MEMBER')) AS may`;

  const sayWhose = (sight: Sight): string => {
    if (sight === 'everybody') return 'SET LOCAL ROLE NONE';
    const tenantId = sight === 'nobody' ? '' : sight.tenantId;
    // The id is part of the SQL text, because several statements are sent in one message.
    if (tenantId !== '' && !TENANT_ID.test(tenantId)) throw new TypeError('a tenant id is malformed');
    return `SET LOCAL ROLE ${role}; SET LOCAL ${POSTGRES_TENANT_SETTING} = '${tenantId}'`;
  };

  class Connection extends pg.Client implements TenantClient {
    sight: Sight = 'nobody';
    #enforced = true;
    /** The sight that was set in the present transaction; undefined when it is not known. */
    #said: Sight | undefined;
    #isOpen = false;

    constructor(config?: string | ClientConfig) {
      // `pipeline`: sends a statement without waiting for the previous answer.
      super({ ...(config as ClientConfig), pipeline: true } as ClientConfig);
    }

    /** Finds out whether this login may take on the role of tenants' requests. */
    async learn(): Promise<void> {
      const { rows } = await super.query<{ may: boolean }>(may);
      this.#enforced = rows[0]?.may === true;
    }

    override query(...given: unknown[]): never {
      const [text, values, callback] = given as [Text | { submit?: unknown }, unknown, unknown];
      if (!this.#enforced || 'submit' in Object(text)) {
        // The sight cannot be set for query objects that others made, so they may be sent only with everybody's sight.
        if (this.#enforced && this.sight !== 'everybody') {
          throw new TypeError('only plain statements can be sent for a tenant');
        }
        return this.#send(given);
      }
      const command = typeof text === 'string' ? text : (text as QueryConfig).text;
      if (this.#isOpen) return this.#inTransaction(command, given);
      const { sight } = this;
      if (BEGIN.test(command)) {
        this.#isOpen = true;
        this.#said = sight;
        const result = this.#send(given);
        if (sight !== 'everybody') this.#send([sayWhose(sight), ignored]);
        return result;
      }
      if (sight === 'everybody') return this.#send(given);
      const done = [values, callback].find((each) => typeof each === 'function') as Done | undefined;
      const parameters = typeof values === 'function' ? undefined : (values as unknown[] | undefined);
      const result = this.#alone(sayWhose(sight), text as Text, parameters);
      if (done === undefined) return result as never;
      result.then(
        (answer) => done(null, answer),
        (error: unknown) => done(error as Error, undefined as unknown as QueryResult),
      );
      return undefined as never;
    }

    #inTransaction(command: string, given: unknown[]): never {
      if (END.test(command)) {
        this.#isOpen = false;
      }
      // A rollback to a savepoint also undoes the sight that was set since.
      else if (ROLLBACK_TO.test(command)) {
        this.#said = undefined;
      } else if (!same(this.#said, this.sight)) {
        this.#said = this.sight;
        this.#send([sayWhose(this.sight), ignored]);
      }
      return this.#send(given);
    }

    /** Runs one statement as a transaction, and waits for its end, because a commit may fail. */
    #alone(whose: string, text: Text, values: unknown[] | undefined): Promise<QueryResult> {
      return new Promise((resolve, reject) => {
        let answer: QueryResult | undefined;
        let failed: Error | null = null;
        this.#send([`BEGIN; ${whose}`, ignored]);
        this.#send([
          text,
          values,
          (error: Error | null, result: QueryResult) => {
            failed = error;
            answer = result;
          },
        ]);
        this.#send([
          'COMMIT',
          (error: Error | null) => {
            failed ??= error;
            if (failed === null && answer !== undefined) resolve(answer);
            else reject(failed ?? new Error('the statement was not answered'));
          },
        ]);
      });
    }

    #send(given: unknown[]): never {
      return (super.query as (...all: unknown[]) => never).apply(this, given);
    }
  }

  class Connections extends pg.Pool {
    /** Tenants that wait for a connection take turns, so that nobody waits behind all statements of another. */
    readonly #gate: FairGate;
    readonly #waitMs: number;

    constructor(config?: PoolConfig) {
      super({
        ...config,
        Client: Connection,
        verify: (client: unknown, done: (error?: Error) => void) => {
          (client as Connection).learn().then(() => done(), done);
        },
      } as PoolConfig);
      const total = config?.max ?? DEFAULT_CONNECTIONS;
      this.#gate = new FairGate({ total, perTenant: total, waiting: MOST_WAITING });
      this.#waitMs = config?.connectionTimeoutMillis ?? DEFAULT_WAIT_MS;
      this.on('acquire', (client) => {
        (client as unknown as TenantClient).sight = 'nobody';
      });
    }

    seen(by: Sight): TenantQueries {
      const connect = async (): Promise<PoolClient> => {
        const client = await this.connect();
        (client as unknown as TenantClient).sight = by;
        return client;
      };
      const turnOf = typeof by === 'object' ? `tenant ${by.tenantId}` : by;
      return {
        connect,
        query: async <R extends QueryResultRow>(text: Text, values?: unknown[]): Promise<QueryResult<R>> => {
          const leave = await this.#gate.enter(turnOf, AbortSignal.timeout(this.#waitMs)).catch((cause: unknown) => {
            // As `pg` says it, so that callers know it as an outage that may pass.
            throw new Error('timeout exceeded when trying to connect', { cause });
          });
          const client = await connect().catch((error: unknown) => {
            leave();
            throw error;
          });
          let failed: Error | undefined;
          const lost = (error: Error): void => {
            failed = error;
          };
          client.once('error', lost);
          try {
            return await client.query<R>(text as QueryConfig, values);
          } catch (error) {
            failed ??= error as Error;
            throw error;
          } finally {
            client.removeListener('error', lost);
            // As in the pool itself: a connection on which a statement failed is not used again.
            client.release(failed);
            leave();
          }
        },
      };
    }
  }

  return { Client: Connection, Pool: Connections };
}

/** A pool of `service` under row level security. Its `seen` sets whose rows statements see. */
export function tenantPool(pg: PgModule, service: PostgresService, config: PoolConfig): TenantPool {
  const { Pool: Connections } = tenantClasses(pg, service);
  return new Connections(config) as TenantPool;
}

/** `pg` for a mapper that creates its own pool. Its connections are under row level security. */
export function tenantDriver<P extends PgModule>(pg: P, service: PostgresService): P {
  return Object.assign(Object.create(pg) as P, tenantClasses(pg, service));
}
