import { subjects } from '@batuta/contracts';
import type {
  DeleteSecretRequest,
  GetSecretRequest,
  KnownSecretsReply,
  KnownSecretsRequest,
  ListSecretsReply,
  ListSecretsRequest,
  PutSecretRequest,
  ResolveSecretsReply,
  ResolveSecretsRequest,
  SecretReply,
} from '@batuta/contracts';
import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { principalOf, tenantOf } from '../access/requests.js';
import { Secrets } from './secrets.js';

/** `batuta.config.secret.*`: requests about secrets. */
@Controller()
export class SecretsController {
  readonly #secrets: Secrets;

  constructor(secrets: Secrets) {
    this.#secrets = secrets;
  }

  @MessagePattern(subjects.config.secretPut)
  put(@Payload() request: PutSecretRequest): Promise<SecretReply> {
    return this.#secrets.put(principalOf(request), request.name, request.body, request.preconditions);
  }

  @MessagePattern(subjects.config.secretGet)
  get(@Payload() request: GetSecretRequest): Promise<SecretReply> {
    return this.#secrets.get(principalOf(request), request.name);
  }

  @MessagePattern(subjects.config.secretList)
  list(@Payload() request: ListSecretsRequest): Promise<ListSecretsReply> {
    return this.#secrets.list(principalOf(request), request);
  }

  @MessagePattern(subjects.config.secretDelete)
  delete(@Payload() request: DeleteSecretRequest): Promise<SecretReply> {
    return this.#secrets.delete(principalOf(request), request.name, request.preconditions);
  }

  @MessagePattern(subjects.config.secretResolve)
  resolve(@Payload() request: ResolveSecretsRequest): Promise<ResolveSecretsReply> {
    return this.#secrets.resolve(tenantOf(request), request.names);
  }

  @MessagePattern(subjects.config.secretKnown)
  known(@Payload() request: KnownSecretsRequest): Promise<KnownSecretsReply> {
    return this.#secrets.known(tenantOf(request), request.names ?? []);
  }
}
