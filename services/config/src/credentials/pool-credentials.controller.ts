import { subjects } from '@batuta/contracts';
import type {
  CreatePoolCredentialsReply,
  CreatePoolCredentialsRequest,
  ListPoolCredentialsReply,
  GetPoolCredentialsRequest,
  ListPoolCredentialsRequest,
  PoolCredentialsReply,
  RevokePoolCredentialsRequest,
} from '@batuta/contracts';
import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { principalOf } from '../access/requests.js';
import { PoolCredentials } from './pool-credentials.js';

/** `batuta.config.credentials.*`: requests about NATS credentials of workers. */
@Controller()
export class PoolCredentialsController {
  readonly #credentials: PoolCredentials;

  constructor(credentials: PoolCredentials) {
    this.#credentials = credentials;
  }

  @MessagePattern(subjects.config.credentialsCreate)
  create(@Payload() request: CreatePoolCredentialsRequest): Promise<CreatePoolCredentialsReply> {
    const { pool, name, expiresAt } = request;
    return this.#credentials.create(principalOf(request), { pool, name, expiresAt });
  }

  @MessagePattern(subjects.config.credentialsList)
  list(@Payload() request: ListPoolCredentialsRequest): Promise<ListPoolCredentialsReply> {
    const { pool, limit, cursor } = request;
    return this.#credentials.list(principalOf(request), { pool, limit, cursor });
  }

  @MessagePattern(subjects.config.credentialsGet)
  get(@Payload() request: GetPoolCredentialsRequest): Promise<PoolCredentialsReply> {
    return this.#credentials.get(principalOf(request), { pool: request.pool, id: request.id });
  }

  @MessagePattern(subjects.config.credentialsRevoke)
  revoke(@Payload() request: RevokePoolCredentialsRequest): Promise<PoolCredentialsReply> {
    const { pool, id, preconditions } = request;
    return this.#credentials.revoke(principalOf(request), { pool, id, preconditions });
  }
}
