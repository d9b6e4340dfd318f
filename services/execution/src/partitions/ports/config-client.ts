import { definitionOfAgent, operations } from '@batuta/contracts';
import type { AgentReply, GetVersionReply, JsonObject, ResolveConfigReply } from '@batuta/contracts';
import { storableJson } from '@batuta/event-store';
import type { ControlClient } from '@batuta/messaging';
import type { AgentCopy, ConfigCopies } from '../../store/port.js';
import type { ConfigCopy, ConfigService, NewestConfig } from './ports.js';

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The config service over NATS. Agents are copied, so that they are known while the service does not answer. */
export function configClient(control: ControlClient, copies: ConfigCopies): ConfigService {
  return {
    async newest(tenantId, config, pinned): Promise<NewestConfig> {
      try {
        const asked = { tenantId, id: config, ...(pinned === undefined ? {} : { version: pinned }) };
        const reply = await control.request<ResolveConfigReply>(operations.configs.resolve.subject, asked);
        const { configId, version, leaseMs = 0, refused } = reply;
        if (refused !== undefined) return { kind: 'refused', refusal: refused };
        if (configId === undefined || version === undefined) {
          return { kind: 'unavailable', message: 'a resolved config names no version' };
        }
        return { kind: 'found', configId, version, leaseMs };
      } catch (error) {
        return { kind: 'unavailable', message: reason(error) };
      }
    },
    async version(configId, version): Promise<ConfigCopy> {
      try {
        const reply = await control.request<GetVersionReply>(operations.configs.definition.subject, {
          configId,
          version,
        });
        return reply.definition === undefined ? { kind: 'missing' } : { kind: 'found', definition: reply.definition };
      } catch (error) {
        return { kind: 'unavailable', message: reason(error) };
      }
    },
    async agent(tenantId, name) {
      try {
        const reply = await control.request<AgentReply>(operations.agents.get.subject, { tenantId, name });
        if (reply.agent === undefined) return { agent: undefined };
        const { pool, inputSchema, outputSchema, llm, configId = '', revision } = reply.agent;
        const agent: AgentCopy = {
          pool,
          // Values are made storable when they arrive, so a schema must be made storable in the same way.
          ...(inputSchema === undefined ? {} : { inputSchema: storableJson(inputSchema) }),
          ...(outputSchema === undefined ? {} : { outputSchema: storableJson(outputSchema) }),
          ...(llm === undefined
            ? {}
            : {
                model: {
                  configId,
                  revision,
                  definition: storableJson(definitionOfAgent({ name, llm, inputSchema }) as unknown as JsonObject),
                },
              }),
        };
        await copies.writeAgent(tenantId, name, agent);
        return { agent };
      } catch (error) {
        const kept = await copies.readAgent(tenantId, name).catch(() => undefined);
        return kept === undefined ? { unavailable: reason(error) } : { agent: kept };
      }
    },
  };
}
