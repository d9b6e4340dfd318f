import { DEFAULT_TENANT } from '@batuta/contracts';
import type { Pause } from '@batuta/contracts';

const keyOf = (kind: string, tenantId: string, name: string): string => `${kind}\n${tenantId}\n${name}`;

/** Says which pause holds a task back. It is asked for each task, and mostly there are no pauses. */
export class HeldTasks {
  #pauses: ReadonlyMap<string, Pause> = new Map();

  /** Replaces what is paused. `pauses` have their tenants. Returns whether anything is different. */
  set(pauses: readonly Pause[]): boolean {
    const next = new Map(
      pauses.map((pause) => [keyOf(pause.kind, pause.tenantId ?? DEFAULT_TENANT, pause.name), pause]),
    );
    const same = next.size === this.#pauses.size && [...next.keys()].every((key) => this.#pauses.has(key));
    this.#pauses = next;
    return !same;
  }

  get all(): readonly Pause[] {
    return [...this.#pauses.values()];
  }

  /** The pause of the tenant, or of the pool, for all or for this tenant. */
  ofPool(pool: string, tenantId: string): Pause | undefined {
    if (this.#pauses.size === 0) return undefined;
    return (
      this.ofTenant(tenantId) ??
      this.#pauses.get(keyOf('pool', DEFAULT_TENANT, pool)) ??
      this.#pauses.get(keyOf('pool', tenantId, pool))
    );
  }

  ofTenant(tenantId: string): Pause | undefined {
    return this.#pauses.get(keyOf('tenant', tenantId, tenantId));
  }

  ofAgent(agent: string, tenantId: string): Pause | undefined {
    return this.#pauses.size === 0 ? undefined : this.#pauses.get(keyOf('agent', tenantId, agent));
  }
}
