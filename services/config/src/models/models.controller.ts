import { subjects } from '@batuta/contracts';
import type {
  DeleteModelRequest,
  GetModelRequest,
  ListModelsReply,
  ListModelsRequest,
  ModelReply,
  PutModelRequest,
} from '@batuta/contracts';
import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { principalOf, tenantOf } from '../access/requests.js';
import { Models } from './models.js';

/** `batuta.config.model.*`: requests about models. */
@Controller()
export class ModelsController {
  readonly #models: Models;

  constructor(models: Models) {
    this.#models = models;
  }

  @MessagePattern(subjects.config.modelPut)
  put(@Payload() request: PutModelRequest): Promise<ModelReply> {
    return this.#models.put(principalOf(request), request.name, request.body, request.preconditions);
  }

  @MessagePattern(subjects.config.modelGet)
  get(@Payload() request: GetModelRequest): Promise<ModelReply> {
    return this.#models.get(tenantOf(request), request.name);
  }

  @MessagePattern(subjects.config.modelList)
  list(@Payload() request: ListModelsRequest): Promise<ListModelsReply> {
    return this.#models.list(tenantOf(request));
  }

  @MessagePattern(subjects.config.modelDelete)
  delete(@Payload() request: DeleteModelRequest): Promise<ModelReply> {
    return this.#models.delete(principalOf(request), request.name, request.preconditions);
  }
}
