import { operations } from '@batuta/contracts';
import { operationsController } from '@batuta/control';
import { ApiKeys } from './api-keys.js';

export const ApiKeysController = operationsController('ApiKeysController', operations.apiKeys, ApiKeys, {
  create: (keys, { principal, ...asked }) => keys.create(principal, asked),
  list: (keys, { principal, limit, cursor }) => keys.list(principal, { limit, cursor }),
  get: (keys, { principal, id }) => keys.get(principal, id),
  revoke: (keys, { principal, id, preconditions }) => keys.revoke(principal, id, preconditions),
  authenticate: (keys, { keyHash }) => keys.authenticate(keyHash),
});
