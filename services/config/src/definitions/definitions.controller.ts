import { operations } from '@batuta/contracts';
import { operationsController } from '@batuta/control';
import { Definitions } from './definitions.service.js';

export const DefinitionsController = operationsController('DefinitionsController', operations.configs, Definitions, {
  create: (configs, { principal, definition, idempotency, keptFor }) =>
    configs.create(principal, definition, idempotency, keptFor),
  get: (configs, { principal, id, version, includeDeleted = false }) =>
    configs.reads.get(principal, { id, version, includeDeleted }),
  list: (configs, { principal, includeDeleted = false, ...asked }) =>
    configs.reads.list(principal, { ...asked, includeDeleted }),
  update: (configs, { principal, id, definition: document, preconditions, keptFor, merge = false }) => {
    const change = { id, document, preconditions, keptFor };
    return merge ? configs.patch(principal, change) : configs.update(principal, change);
  },
  delete: (configs, { principal, id, preconditions, keptFor }) =>
    configs.delete(principal, { id, preconditions, keptFor }),
  restore: (configs, { principal, id, preconditions, idempotency }) =>
    configs.restore(principal, { id, preconditions, idempotency }),
  versions: (configs, { principal, includeDeleted = false, ...asked }) =>
    configs.reads.versions(principal, { ...asked, includeDeleted }),
  resolve: (configs, request) => configs.reads.resolve(request.tenantId, request),
  definition: (configs, { configId, version }) => configs.reads.version(configId, version),
});
