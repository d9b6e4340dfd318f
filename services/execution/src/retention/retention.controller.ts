import { operations } from '@batuta/contracts';
import { operationsController } from '@batuta/control';
import { RetentionPolicies } from './policies.js';

export const RetentionController = operationsController(
  'RetentionController',
  operations.retentionPolicies,
  RetentionPolicies,
  {
    list: (policies, { principal }) => policies.list(principal),
    get: (policies, { principal, name }) => policies.get(principal, name),
    put: (policies, { principal, name, body, preconditions }) => policies.put(principal, name, body, preconditions),
    delete: (policies, { principal, name, preconditions }) => policies.delete(principal, name, preconditions),
  },
);
