import { subjects } from '@batuta/contracts';
import type {
  GetTenantLimitsRequest,
  ListTenantsReply,
  ListTenantsRequest,
  PutTenantLimitsRequest,
  TenantLimitsReply,
  TenantTermsReply,
} from '@batuta/contracts';
import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { principalOf } from '../access/requests.js';
import { TenantLimitsRegistry } from './limits.js';

/** `batuta.config.tenant.*`: requests about tenants and what they may use. */
@Controller()
export class TenantsController {
  readonly #limits: TenantLimitsRegistry;

  constructor(limits: TenantLimitsRegistry) {
    this.#limits = limits;
  }

  @MessagePattern(subjects.config.tenantList)
  list(@Payload() request: ListTenantsRequest): Promise<ListTenantsReply> {
    return this.#limits.list(principalOf(request), { limit: request.limit, cursor: request.cursor });
  }

  @MessagePattern(subjects.config.tenantLimitsGet)
  getLimits(@Payload() request: GetTenantLimitsRequest): Promise<TenantLimitsReply> {
    return this.#limits.get(principalOf(request), request.tenantId);
  }

  @MessagePattern(subjects.config.tenantLimitsPut)
  putLimits(@Payload() request: PutTenantLimitsRequest): Promise<TenantLimitsReply> {
    return this.#limits.put(principalOf(request), request.tenantId, request.body, request.preconditions);
  }

  @MessagePattern(subjects.config.tenantTerms)
  terms(): Promise<TenantTermsReply> {
    return this.#limits.terms();
  }
}
