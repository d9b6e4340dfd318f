import { AgentSchema, operations, toUserJson } from '@batuta/contracts';
import type { AgentReply, JsonObject, ListAgentsReply } from '@batuta/contracts';
import { Problem } from '../http/problem.js';
import { pausedField, pausesFor } from '../pauses/paused.js';
import { featureController } from '../routes/feature-controller.js';

export const AgentsController = featureController('AgentsController', operations.agents, {
  list: {
    shown: async ({ agents }: ListAgentsReply, { principal }, backend): Promise<JsonObject> => {
      const pauses = await pausesFor(backend, principal);
      const shown = (agents ?? []).map((agent) => ({
        ...toUserJson(AgentSchema, agent),
        ...pausedField(pauses, 'agent', agent.name),
      }));
      return { agents: shown };
    },
  },
  get: {
    shown: async ({ agent }: AgentReply, { principal }, backend): Promise<JsonObject> => {
      if (agent === undefined) throw new Problem('not_found', 'There is no agent with this name.');
      const pauses = await pausesFor(backend, principal);
      return { ...toUserJson(AgentSchema, agent), ...pausedField(pauses, 'agent', agent.name) };
    },
  },
});
