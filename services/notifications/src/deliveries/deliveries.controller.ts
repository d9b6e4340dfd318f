import { subjects } from '@batuta/contracts';
import type {
  DeliveryReply,
  GetDeliveryRequest,
  ListDeliveriesReply,
  ListDeliveriesRequest,
  RedriveDeliveryRequest,
} from '@batuta/contracts';
import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { principalOf } from '../access/refusals.js';
import type { Refused } from '../access/refusals.js';
import { Deliveries } from './deliveries.service.js';

/** `batuta.notifications.delivery.*`. */
@Controller()
export class DeliveriesController {
  readonly #deliveries: Deliveries;

  constructor(deliveries: Deliveries) {
    this.#deliveries = deliveries;
  }

  @MessagePattern(subjects.notifications.deliveryList)
  list(@Payload() request: ListDeliveriesRequest): Promise<ListDeliveriesReply | Refused> {
    return this.#deliveries.list(request, principalOf(request));
  }

  @MessagePattern(subjects.notifications.deliveryGet)
  get(@Payload() request: GetDeliveryRequest): Promise<DeliveryReply> {
    return this.#deliveries.get(principalOf(request), request.id);
  }

  @MessagePattern(subjects.notifications.deliveryRedrive)
  redrive(@Payload() request: RedriveDeliveryRequest): Promise<DeliveryReply> {
    return this.#deliveries.redrive(principalOf(request), request.id, request.idempotency);
  }
}
