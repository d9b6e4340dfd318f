import { operations } from '@batuta/contracts';
import { operationsController } from '@batuta/control';
import { Secrets } from './secrets.js';

export const SecretsController = operationsController('SecretsController', operations.secrets, Secrets, {
  list: (secrets, request) => secrets.list(request.principal, request),
  get: (secrets, { principal, name }) => secrets.get(principal, name),
  put: (secrets, { principal, name, body, preconditions }) => secrets.put(principal, name, body, preconditions),
  delete: (secrets, { principal, name, preconditions }) => secrets.delete(principal, name, preconditions),
  resolve: (secrets, { names, ...use }) => secrets.resolve(use, names),
  known: (secrets, { tenantId, names }) => secrets.known(tenantId, names ?? []),
});
