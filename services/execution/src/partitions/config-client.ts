import { subjects } from '@batuta/contracts';
import type { AgentReply, GetVersionReply } from '@batuta/contracts';
import type { ConfigCopies } from '@batuta/event-store';
import type { ControlClient } from '@batuta/messaging';
import type { ConfigCopy, ConfigService } from './ports.js';

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The config service over NATS; pools of agents are kept so that they are known while it is away. */
export function configClient(control: ControlClient, copies: ConfigCopies): ConfigService {
  return {
    async version(configId, version): Promise<ConfigCopy> {
      try {
        const reply = await control.request<GetVersionReply>(subjects.config.version, { configId, version });
        return reply.definition === undefined ? { kind: 'missing' } : { kind: 'found', definition: reply.definition };
      } catch (error) {
        return { kind: 'unavailable', message: reason(error) };
      }
    },
    async agentPool(tenantId, agent) {
      try {
        const reply = await control.request<AgentReply>(subjects.config.agentGet, { tenantId, name: agent });
        const pool = reply.agent?.pool;
        if (pool !== undefined) await copies.writeAgentPool(tenantId, agent, pool);
        return { pool };
      } catch (error) {
        const kept = await copies.readAgentPool(tenantId, agent).catch(() => undefined);
        return kept === undefined ? { unavailable: reason(error) } : { pool: kept };
      }
    },
  };
}
