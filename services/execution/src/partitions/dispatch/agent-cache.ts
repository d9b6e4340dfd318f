import { BUILT_IN_AGENTS, DEFAULT_POOL } from '@batuta/contracts';
import type { AgentCopy } from '../../store/port.js';
import type { ConfigService } from '../ports/ports.js';

const BUILT_IN = new Set<string>(BUILT_IN_AGENTS);
const BUILT_IN_AGENT: AgentCopy = { pool: DEFAULT_POOL };

/** The agents of tenants, as far as they were looked up: their pools, schemas and models. */
export class AgentCache {
  readonly #configs: Pick<ConfigService, 'agent'>;
  #agents = new Map<string, AgentCopy>();
  #lookUps = new Map<string, Promise<AgentCopy | undefined>>();

  constructor(configs: Pick<ConfigService, 'agent'>) {
    this.#configs = configs;
  }

  /** Forgets cached agents, because they may have another pool or other schemas. */
  forget(): void {
    // New maps, so that an answer to an earlier request is not cached after the change.
    this.#agents = new Map();
    this.#lookUps = new Map();
  }

  /** The pool that serves an agent. Undefined when no pool does. Throws when it is unknown now. */
  async pool(tenantId: string, agent: string): Promise<string | undefined> {
    return (await this.agent(tenantId, agent))?.pool || undefined;
  }

  /** The cached agent. Undefined when it must be looked up. */
  known(tenantId: string, agent: string): AgentCopy | undefined {
    return BUILT_IN.has(agent) ? BUILT_IN_AGENT : this.#agents.get(`${tenantId}/${agent}`);
  }

  /** An agent. Undefined when the tenant has no such agent. Throws when it is unknown now. */
  async agent(tenantId: string, agent: string): Promise<AgentCopy | undefined> {
    const known = this.known(tenantId, agent);
    if (known !== undefined) return known;
    const key = `${tenantId}/${agent}`;
    const asked = this.#lookUps.get(key);
    if (asked !== undefined) return asked;
    const agents = this.#agents;
    const lookUps = this.#lookUps;
    const lookUp = this.#configs
      .agent(tenantId, agent)
      .then((found) => {
        if ('unavailable' in found) throw new Error(found.unavailable);
        if (found.agent !== undefined) agents.set(key, found.agent);
        return found.agent;
      })
      .finally(() => lookUps.delete(key));
    lookUps.set(key, lookUp);
    return lookUp;
  }
}
