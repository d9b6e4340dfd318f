import type { Sight, TenantClient } from './tenant-client.js';

/** What this needs of TypeORM, which libraries do not depend on. */
interface Runner {
  connect(): Promise<unknown>;
}

interface Source {
  readonly manager: object;
  createQueryRunner(mode?: never): Runner;
}

/** A transaction of TypeORM. */
export interface Manager {
  readonly queryRunner?: Runner | undefined;
}

/**
 * The data source of a service as a tenant's request sees it, and as what serves every tenant does. The connections are those of a
 * `tenantDriver`; without saying one of the two, nothing is seen.
 */
export class TenantRows<S extends Source> {
  /** Every tenant's rows, for what belongs to none: who a key stands for, deliveries, the start of the service. */
  readonly everybody: S;
  readonly #views = new Map<string, S>();

  constructor(private readonly source: S) {
    this.everybody = viewOf(source, 'everybody');
  }

  /** A tenant's rows. Its statements cannot see or write those of others, whatever their conditions are. */
  of(tenantId: string): S {
    let view = this.#views.get(tenantId);
    if (view === undefined) {
      view = viewOf(this.source, { tenantId });
      this.#views.set(tenantId, view);
      const [oldest] = this.#views.keys();
      if (this.#views.size > MOST_VIEWS && oldest !== undefined) this.#views.delete(oldest);
    }
    return view;
  }
}

/** Views that are kept for the next request of their tenant. */
const MOST_VIEWS = 1_000;

/** The same source and pool, with connections that see so much. */
function viewOf<S extends Source>(source: S, sight: Sight): S {
  const view = Object.create(source) as S;
  const createQueryRunner = (mode?: never): Runner => {
    const runner = source.createQueryRunner(mode);
    const connect = runner.connect.bind(runner);
    let seen: Promise<unknown> | undefined;
    runner.connect = () =>
      (seen ??= connect().then((client) => {
        (client as TenantClient).sight = sight;
        return client;
      }));
    return runner;
  };
  const Manager = source.manager.constructor as new (source: S) => object;
  Object.defineProperty(view, 'createQueryRunner', { value: createQueryRunner });
  Object.defineProperty(view, 'manager', { value: new Manager(view) });
  return view;
}

/**
 * Does something in a tenant's transaction that concerns every tenant, such as whether a name is free; what it gives may not be
 * another tenant's data.
 */
export async function seeingEverybody<T>(manager: Manager, work: () => Promise<T>): Promise<T> {
  const client = (await manager.queryRunner?.connect()) as TenantClient | undefined;
  if (client === undefined) throw new TypeError('only a transaction can see everybody for a while');
  const before = client.sight;
  client.sight = 'everybody';
  try {
    return await work();
  } finally {
    client.sight = before;
  }
}
