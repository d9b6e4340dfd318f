import { operations } from '@batuta/contracts';
import { operationsController } from '@batuta/control';
import { Pauses } from './pauses.js';

export const PausesController = operationsController('PausesController', operations.pauses, Pauses, {
  list: (pauses, { principal }) => pauses.list(principal),
  begin: (pauses, { principal, kind, name, body }) => pauses.begin(principal, kind, name, body),
  end: (pauses, { principal, kind, name }) => pauses.end(principal, kind, name),
});
