import { operations } from '@batuta/contracts';
import { operationsController } from '@batuta/control';
import { Callbacks } from './callbacks.service.js';

export const CallbacksController = operationsController('CallbacksController', operations.callbacks, Callbacks, {
  create: (callbacks, { principal, body, idempotency }) => callbacks.create(principal, body, idempotency),
  get: (callbacks, { principal, id }) => callbacks.get(principal, id),
  list: (callbacks, request) => callbacks.list(request, request.principal),
  delete: (callbacks, { principal, id, preconditions }) => callbacks.delete(principal, id, preconditions),
  enable: (callbacks, request) => callbacks.enable(request.principal, request),
  rotate: (callbacks, { principal, callbackId, idempotency }) => callbacks.rotate(principal, callbackId, idempotency),
});
