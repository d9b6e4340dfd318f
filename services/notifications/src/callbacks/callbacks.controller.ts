import { subjects } from '@batuta/contracts';
import type {
  CallbackReply,
  ChangeCallbackRequest,
  CreateCallbackRequest,
  GetCallbackRequest,
  ListCallbacksReply,
  ListCallbacksRequest,
  RotateSecretReply,
  RotateSecretRequest,
} from '@batuta/contracts';
import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { principalOf } from '../access/refusals.js';
import type { Refused } from '../access/refusals.js';
import { Callbacks } from './callbacks.service.js';

/** `batuta.notifications.callback.*` and `.secret.*`. */
@Controller()
export class CallbacksController {
  readonly #callbacks: Callbacks;

  constructor(callbacks: Callbacks) {
    this.#callbacks = callbacks;
  }

  @MessagePattern(subjects.notifications.callbackCreate)
  create(@Payload() request: CreateCallbackRequest): Promise<CallbackReply> {
    return this.#callbacks.create(principalOf(request), request.body, request.idempotency);
  }

  @MessagePattern(subjects.notifications.callbackGet)
  get(@Payload() request: GetCallbackRequest): Promise<CallbackReply> {
    return this.#callbacks.get(principalOf(request), request.id);
  }

  @MessagePattern(subjects.notifications.callbackList)
  list(@Payload() request: ListCallbacksRequest): Promise<ListCallbacksReply | Refused> {
    return this.#callbacks.list(request, principalOf(request));
  }

  @MessagePattern(subjects.notifications.callbackDelete)
  delete(@Payload() request: ChangeCallbackRequest): Promise<CallbackReply> {
    return this.#callbacks.delete(principalOf(request), request.id, request.preconditions);
  }

  @MessagePattern(subjects.notifications.callbackEnable)
  enable(@Payload() request: ChangeCallbackRequest): Promise<CallbackReply> {
    return this.#callbacks.enable(principalOf(request), request);
  }

  @MessagePattern(subjects.notifications.secretRotate)
  rotate(@Payload() request: RotateSecretRequest): Promise<RotateSecretReply> {
    return this.#callbacks.rotate(principalOf(request), request.callbackId, request.idempotency);
  }
}
