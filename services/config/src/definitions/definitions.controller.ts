import { subjects } from '@batuta/contracts';
import type {
  ConfigReply,
  CreateConfigRequest,
  DeleteConfigRequest,
  GetConfigRequest,
  GetVersionReply,
  GetVersionRequest,
  ListConfigsReply,
  ListConfigsRequest,
  ListVersionsReply,
  ListVersionsRequest,
  ResolveConfigReply,
  ResolveConfigRequest,
  RestoreConfigRequest,
  UpdateConfigRequest,
} from '@batuta/contracts';
import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { principalOf, tenantOf } from '../access/requests.js';
import { Definitions } from './definitions.service.js';

/** `batuta.config.*`: requests about configs. */
@Controller()
export class DefinitionsController {
  readonly #definitions: Definitions;

  constructor(definitions: Definitions) {
    this.#definitions = definitions;
  }

  @MessagePattern(subjects.config.create)
  create(@Payload() request: CreateConfigRequest): Promise<ConfigReply> {
    return this.#definitions.create(principalOf(request), request.definition, request.idempotency);
  }

  @MessagePattern(subjects.config.get)
  get(@Payload() request: GetConfigRequest): Promise<ConfigReply> {
    const { id, version, includeDeleted = false } = request;
    return this.#definitions.get(principalOf(request), { id, version, includeDeleted });
  }

  @MessagePattern(subjects.config.list)
  list(@Payload() request: ListConfigsRequest): Promise<ListConfigsReply> {
    const { nameContains, strategy, ownerId, includeDeleted = false, limit, cursor, offset, withTotal } = request;
    return this.#definitions.list(principalOf(request), {
      nameContains,
      strategy,
      ownerId,
      includeDeleted,
      limit,
      cursor,
      offset,
      withTotal,
    });
  }

  @MessagePattern(subjects.config.update)
  update(@Payload() request: UpdateConfigRequest): Promise<ConfigReply> {
    const { id, definition: document, preconditions, merge = false } = request;
    const change = { id, document, preconditions };
    const principal = principalOf(request);
    return merge ? this.#definitions.patch(principal, change) : this.#definitions.update(principal, change);
  }

  @MessagePattern(subjects.config.delete)
  delete(@Payload() request: DeleteConfigRequest): Promise<ConfigReply> {
    const { id, preconditions } = request;
    return this.#definitions.delete(principalOf(request), { id, preconditions });
  }

  @MessagePattern(subjects.config.restore)
  restore(@Payload() request: RestoreConfigRequest): Promise<ConfigReply> {
    const { id, preconditions, idempotency } = request;
    return this.#definitions.restore(principalOf(request), { id, preconditions, idempotency });
  }

  @MessagePattern(subjects.config.versions)
  versions(@Payload() request: ListVersionsRequest): Promise<ListVersionsReply> {
    const { id, limit, beforeVersion, includeDeleted = false } = request;
    return this.#definitions.versions(principalOf(request), { id, limit, beforeVersion, includeDeleted });
  }

  @MessagePattern(subjects.config.resolve)
  resolve(@Payload() request: ResolveConfigRequest): Promise<ResolveConfigReply> {
    return this.#definitions.resolve(tenantOf(request), request);
  }

  @MessagePattern(subjects.config.version)
  version(@Payload() request: GetVersionRequest): Promise<GetVersionReply> {
    return this.#definitions.version(request.configId, request.version);
  }
}
