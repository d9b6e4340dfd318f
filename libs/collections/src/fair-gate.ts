/** Too much work of the tenant waits already. */
export class GateBusyError extends Error {
  override readonly name = 'GateBusyError';
}

export interface FairGateOptions {
  /** Number of tasks that may run at the same time. */
  readonly total: number;
  /** The same for one tenant. It is below `total`, so that one tenant alone cannot take every place. */
  readonly perTenant: number;
  /** Number of tasks of one tenant that may wait for a place. Further ones are refused with `GateBusyError`. */
  readonly waiting: number;
}

interface TenantState {
  underWay: number;
  readonly waiting: Set<() => void>;
}

/**
 * Gives out places for work. Tenants whose work waits take turns, and none of them gets more than its share of the
 * places.
 */
export class FairGate {
  readonly #options: FairGateOptions;
  /** The tenant whose turn comes next is first. A tenant with no running and no waiting work is not in the map. */
  readonly #tenants = new Map<string, TenantState>();
  #underWay = 0;

  constructor(options: FairGateOptions) {
    this.#options = options;
  }

  /**
   * Waits for a place. Resolves with a function that gives the place back.
   * @throws GateBusyError; or the signal's reason when it fires during the wait.
   */
  async enter(tenantId: string, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    const tenant = this.#tenants.get(tenantId) ?? { underWay: 0, waiting: new Set() };
    this.#tenants.set(tenantId, tenant);
    // Waiting work goes first: a newcomer must not overtake it.
    if (tenant.waiting.size === 0 && this.#mayEnter(tenant)) return this.#take(tenantId, tenant);
    if (tenant.waiting.size >= this.#options.waiting) {
      throw new GateBusyError('too many calls of this tenant wait already');
    }
    return new Promise((resolve, reject) => {
      const begin = (): void => {
        signal.removeEventListener('abort', giveUp);
        resolve(this.#take(tenantId, tenant));
      };
      const giveUp = (): void => {
        tenant.waiting.delete(begin);
        this.#forget(tenantId, tenant);
        reject(signal.reason as Error);
      };
      tenant.waiting.add(begin);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }

  #mayEnter(tenant: TenantState): boolean {
    return this.#underWay < this.#options.total && tenant.underWay < this.#options.perTenant;
  }

  #take(tenantId: string, tenant: TenantState): () => void {
    this.#underWay += 1;
    tenant.underWay += 1;
    let isIn = true;
    return () => {
      if (!isIn) return;
      isIn = false;
      this.#underWay -= 1;
      tenant.underWay -= 1;
      this.#startNext();
      this.#forget(tenantId, tenant);
    };
  }

  #startNext(): void {
    for (const [tenantId, tenant] of this.#tenants) {
      const [begin] = tenant.waiting;
      if (begin === undefined || !this.#mayEnter(tenant)) continue;
      tenant.waiting.delete(begin);
      // Moves the tenant to the end.
      this.#tenants.delete(tenantId);
      this.#tenants.set(tenantId, tenant);
      begin();
      return;
    }
  }

  #forget(tenantId: string, tenant: TenantState): void {
    if (tenant.underWay === 0 && tenant.waiting.size === 0) this.#tenants.delete(tenantId);
  }
}
