import { operations } from '@batuta/contracts';
import { operationsController } from '@batuta/control';
import { Knowledge } from './knowledge.service.js';

export const KnowledgeController = operationsController('KnowledgeController', operations.knowledge, Knowledge, {
  put: (knowledge, { principal, ...document }) => knowledge.put(principal, document),
  list: (knowledge, { principal, limit, cursor }) => knowledge.list(principal, { limit, cursor }),
  get: (knowledge, { principal, id }) => knowledge.get(principal, id),
  delete: (knowledge, { principal, id, preconditions }) => knowledge.delete(principal, id, preconditions),
  search: (knowledge, { tenantId, query, limit }) => knowledge.search(tenantId, { query, limit }),
});
