import { subjects } from '@batuta/contracts';
import type {
  ApiKeyReply,
  AuthenticateReply,
  AuthenticateRequest,
  CreateApiKeyReply,
  CreateApiKeyRequest,
  GetApiKeyRequest,
  ListApiKeysReply,
  ListApiKeysRequest,
  RevokeApiKeyRequest,
} from '@batuta/contracts';
import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { principalOf } from '../access/requests.js';
import { ApiKeys } from './api-keys.js';

/** `batuta.config.key.*`: requests about API keys. */
@Controller()
export class ApiKeysController {
  readonly #keys: ApiKeys;

  constructor(keys: ApiKeys) {
    this.#keys = keys;
  }

  @MessagePattern(subjects.config.keyAuthenticate)
  authenticate(@Payload() request: AuthenticateRequest): Promise<AuthenticateReply> {
    return this.#keys.authenticate(request.keyHash);
  }

  @MessagePattern(subjects.config.keyCreate)
  create(@Payload() request: CreateApiKeyRequest): Promise<CreateApiKeyReply> {
    const { userId, role, name, expiresAt, tenantId, idempotency } = request;
    return this.#keys.create(principalOf(request), { userId, role, name, expiresAt, tenantId, idempotency });
  }

  @MessagePattern(subjects.config.keyGet)
  get(@Payload() request: GetApiKeyRequest): Promise<ApiKeyReply> {
    return this.#keys.get(principalOf(request), request.id);
  }

  @MessagePattern(subjects.config.keyList)
  list(@Payload() request: ListApiKeysRequest): Promise<ListApiKeysReply> {
    return this.#keys.list(principalOf(request), { limit: request.limit, cursor: request.cursor });
  }

  @MessagePattern(subjects.config.keyRevoke)
  revoke(@Payload() request: RevokeApiKeyRequest): Promise<ApiKeyReply> {
    return this.#keys.revoke(principalOf(request), request.id, request.preconditions);
  }
}
