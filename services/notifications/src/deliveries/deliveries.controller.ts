import { operations } from '@batuta/contracts';
import { operationsController } from '@batuta/control';
import { Deliveries } from './deliveries.service.js';

export const DeliveriesController = operationsController('DeliveriesController', operations.deliveries, Deliveries, {
  deliveries: (deliveries, request) => deliveries.list(request, request.principal),
  delivery: (deliveries, { principal, id }) => deliveries.get(principal, id),
  redrive: (deliveries, { principal, id, idempotency }) => deliveries.redrive(principal, id, idempotency),
});
