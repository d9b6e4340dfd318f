import { operations } from '@batuta/contracts';
import { operationsController } from '@batuta/control';
import { McpServers } from './mcp-servers.js';

const { list, get, put, delete: remove, pin } = operations.mcpServers;
/** A runner answers the other operations, because it asks the servers. */
const answered = { list, get, put, delete: remove, pin };

export const McpServersController = operationsController('McpServersController', answered, McpServers, {
  list: (servers, { tenantId }) => servers.list(tenantId),
  get: (servers, { tenantId, name }) => servers.get(tenantId, name),
  put: (servers, { principal, name, body, preconditions }) => servers.put(principal, name, body, preconditions),
  delete: (servers, { principal, name, preconditions }) => servers.delete(principal, name, preconditions),
  pin: (servers, request) => servers.pin(request),
});
