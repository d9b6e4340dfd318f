import { POSTGRES_TENANT_SETTING, postgresTenantRole, TENANT_ID } from '@batuta/contracts';
import type { PostgresService } from '@batuta/contracts';
import type { Client, ClientConfig, Pool, PoolClient, PoolConfig, QueryConfig, QueryResult, QueryResultRow } from 'pg';

/**
 * Whose rows the statements of a connection see: those of one tenant, everybody's (for what serves all tenants), or nobody's. A connection that
 * was just taken from its pool sees nobody's, so that forgetting to say it shows nothing.
 */
export type Sight = { readonly tenantId: string } | 'everybody' | 'nobody';

/** A connection of a `tenantPool`. */
export interface TenantClient {
  sight: Sight;
}

/** What of `pg` is used; a parameter, so that programs without a database do not load it. */
export interface PgModule {
  readonly Client: typeof Client;
  readonly Pool: typeof Pool;
}

export interface Queryable {
  query<R extends QueryResultRow = QueryResultRow>(
    text: string | QueryConfig,
    values?: unknown[],
  ): Promise<QueryResult<R>>;
}

/** A pool as one that serves a tenant, or all of them, sees it. */
export interface TenantQueries extends Queryable {
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

/**
 * The classes of a pool whose connections work under row level security. A statement outside a transaction becomes one by itself with what says whose
 * rows it sees before it, all sent at once: it costs no round trip more. In a transaction that is said after its beginning, and where it
 * changes. Should it fail, the transaction fails: no statement ever runs with the sight of another. Where the login may not take on the role of
 * tenants' requests, because an installation has one role for all, nothing is done.
 */
function tenantClasses(pg: PgModule, service: PostgresService): { Client: typeof Client; Pool: typeof Pool } {
  const role = postgresTenantRole(service);
  const may = `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = '${role}' AND pg_has_role(oid, 'MEMBER')) AS may`;

  const sayWhose = (sight: Sight): string => {
    if (sight === 'everybody') return 'SET LOCAL ROLE NONE';
    const tenantId = sight === 'nobody' ? '' : sight.tenantId;
    // It stands in the statement, since several go in one message.
    if (tenantId !== '' && !TENANT_ID.test(tenantId)) throw new TypeError('a tenant id is malformed');
    return `SET LOCAL ROLE ${role}; SET LOCAL ${POSTGRES_TENANT_SETTING} = '${tenantId}'`;
  };

  class Connection extends pg.Client implements TenantClient {
    sight: Sight = 'nobody';
    #enforced = true;
    /** In a transaction, whose rows it sees; undefined when that is not known. */
    #said: Sight | undefined;
    #isOpen = false;

    constructor(config?: string | ClientConfig) {
      // Sends a statement without waiting for the answer to the one before.
      super({ ...(config as ClientConfig), pipeline: true } as ClientConfig);
    }

    /** Learns whether this login may take on the role of tenants' requests. */
    async learn(): Promise<void> {
      const { rows } = await super.query<{ may: boolean }>(may);
      this.#enforced = rows[0]?.may === true;
    }

    override query(...given: unknown[]): never {
      const [text, values, callback] = given as [Text | { submit?: unknown }, unknown, unknown];
      if (!this.#enforced || 'submit' in Object(text)) {
        // A query object of somebody else's is not followed, so it may be sent by what sees everything only.
        if (this.#enforced && this.sight !== 'everybody')
          throw new TypeError('only plain statements can be sent for a tenant');
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
      if (END.test(command)) this.#isOpen = false;
      // What was said since the savepoint is forgotten with it.
      else if (ROLLBACK_TO.test(command)) this.#said = undefined;
      else if (!same(this.#said, this.sight)) {
        this.#said = this.sight;
        this.#send([sayWhose(this.sight), ignored]);
      }
      return this.#send(given);
    }

    /** One statement as a transaction, whose end is waited for: a commit may fail. */
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
    constructor(config?: PoolConfig) {
      super({
        ...config,
        Client: Connection,
        verify: (client: unknown, done: (error?: Error) => void) => {
          (client as Connection).learn().then(() => done(), done);
        },
      } as PoolConfig);
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
      return {
        connect,
        query: async <R extends QueryResultRow>(text: Text, values?: unknown[]): Promise<QueryResult<R>> => {
          const client = await connect();
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
            // As the pool itself does: a connection on which a statement failed is not used again.
            client.release(failed);
          }
        },
      };
    }
  }

  return { Client: Connection, Pool: Connections };
}

/** A pool of `service` under row level security; `seen` says for whom statements are. */
export function tenantPool(pg: PgModule, service: PostgresService, config: PoolConfig): TenantPool {
  const { Pool: Connections } = tenantClasses(pg, service);
  return new Connections(config) as TenantPool;
}

/** `pg` for a mapper that makes its own pool, with connections under row level security. */
export function tenantDriver<P extends PgModule>(pg: P, service: PostgresService): P {
  return Object.assign(Object.create(pg) as P, tenantClasses(pg, service));
}
