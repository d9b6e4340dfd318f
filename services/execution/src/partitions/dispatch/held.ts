/** Which tasks pauses hold back. It is asked for each task. */
export interface Held {
  /** Whether those of a tenant in a pool: the tenant is paused, or the pool. */
  pool(pool: string, tenantId: string): boolean;
  /** Whether those of an agent. */
  agent(agent: string, tenantId: string): boolean;
}

export const NOTHING_HELD: Held = { pool: () => false, agent: () => false };
