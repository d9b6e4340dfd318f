import { operations } from '@batuta/contracts';
import { operationsController } from '@batuta/control';
import { Models } from './models.js';

export const ModelsController = operationsController('ModelsController', operations.models, Models, {
  list: (models, { tenantId }) => models.list(tenantId),
  get: (models, { tenantId, name }) => models.get(tenantId, name),
  put: (models, { principal, name, body, preconditions }) => models.put(principal, name, body, preconditions),
  delete: (models, { principal, name, preconditions }) => models.delete(principal, name, preconditions),
});
