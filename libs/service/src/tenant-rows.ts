import type { Sight, TenantClient } from './tenant-client.js';

/** The part of TypeORM that this file uses. Libraries do not depend on TypeORM. */
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
 * A service's data source with the sight of a tenant's request, or of work for every tenant. The connections come from
 * a `tenantDriver`. Without choosing one of the two, no row is visible.
 */
export class TenantRows<S extends Source> {
  readonly #source: S;
  /**
   * Every tenant's rows, for work that belongs to no single tenant: the owner of a key, deliveries, the start of the
   * service.
   */
  readonly everybody: S;
  readonly #views = new Map<string, S>();

  constructor(source: S) {
    this.#source = source;
    this.everybody = viewOf(source, 'everybody');
  }

  /** A tenant's rows. Its statements can neither see nor write rows of others, whatever their conditions are. */
  of(tenantId: string): S {
    let view = this.#views.get(tenantId);
    if (view === undefined) {
      view = viewOf(this.#source, { tenantId });
      this.#views.set(tenantId, view);
      const [oldest] = this.#views.keys();
      if (this.#views.size > MOST_VIEWS && oldest !== undefined) this.#views.delete(oldest);
    }
    return view;
  }
}

/** Maximum number of views that are kept for later requests of their tenants. */
const MOST_VIEWS = 1_000;

/** The same source and pool, with connections of this sight. */
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
 * Does something in a tenant's transaction that concerns every tenant, such as checking that a name is free. The result
 * must not contain another tenant's data.
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
