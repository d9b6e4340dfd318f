import { operations } from '@batuta/contracts';
import { operationsController } from '@batuta/control';
import { PoolCredentials } from './pool-credentials.js';

export const PoolCredentialsController = operationsController(
  'PoolCredentialsController',
  operations.poolCredentials,
  PoolCredentials,
  {
    createCredentials: (credentials, { principal, ...asked }) => credentials.create(principal, asked),
    listCredentials: (credentials, { principal, ...asked }) => credentials.list(principal, asked),
    getCredentials: (credentials, { principal, pool, id }) => credentials.get(principal, { pool, id }),
    revokeCredentials: (credentials, { principal, pool, id, preconditions }) =>
      credentials.revoke(principal, { pool, id, preconditions }),
  },
);
