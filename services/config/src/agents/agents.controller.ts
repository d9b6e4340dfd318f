import { operations } from '@batuta/contracts';
import { operationsController } from '@batuta/control';
import { AgentRegistry } from './agent-registry.js';

export const AgentsController = operationsController('AgentsController', operations.agents, AgentRegistry, {
  list: (agents, { tenantId }) => agents.list(tenantId),
  get: (agents, { tenantId, name }) => agents.get(tenantId, name),
  put: (agents, { principal, name, body, preconditions, merge = false }) =>
    merge ? agents.patch(principal, name, body, preconditions) : agents.put(principal, name, body, preconditions),
  delete: (agents, { principal, name, preconditions }) => agents.delete(principal, name, preconditions),
});
