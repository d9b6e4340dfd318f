import { DEFAULT_POOL, etagOf } from '@batuta/contracts';
import type { Agent, AgentDescription, AgentLlm, AgentReply, JsonValue } from '@batuta/contracts';
import type { AgentEntity } from './agent.entity.js';

/** What a user says of an agent, as a PUT has it. */
export function bodyOf({ pool, llm, description, inputSchema, outputSchema }: AgentEntity): Record<string, unknown> {
  return {
    ...(llm === null ? { pool } : { llm }),
    description,
    ...(inputSchema === null ? {} : { input_schema: inputSchema }),
    ...(outputSchema === null ? {} : { output_schema: outputSchema }),
  };
}

export const tagged = (agent: AgentEntity): { etag: string; version: number } => {
  const shown = toAgent(agent);
  return { etag: etagOf(shown, shown.revision), version: shown.revision };
};

export const replyOf = (agent: Agent): AgentReply => ({ agent, etag: etagOf(agent, agent.revision) });

/** For built-in agents the runner itself checks inputs against the schemas, so the engine does not. */
export function builtIn(agent: AgentDescription, tenantId: string): Agent {
  return { ...agent, pool: DEFAULT_POOL, builtIn: true, revision: 1, updatedAt: 0, tenantId };
}

export function toAgent(agent: AgentEntity): Agent {
  return {
    name: agent.name,
    pool: agent.pool,
    description: agent.description,
    builtIn: false,
    revision: agent.revision,
    updatedAt: agent.updatedAt.getTime(),
    tenantId: agent.tenantId,
    ...(agent.inputSchema === null || agent.inputSchema === undefined
      ? {}
      : { inputSchema: agent.inputSchema as JsonValue }),
    ...(agent.outputSchema === null || agent.outputSchema === undefined
      ? {}
      : { outputSchema: agent.outputSchema as JsonValue }),
    ...(agent.pool === '' ? { configId: agent.configId } : {}),
    ...(agent.llm === null || agent.llm === undefined ? {} : { llm: agent.llm as AgentLlm }),
  };
}
