import { subjects } from '@batuta/contracts';
import type {
  GetTenantLimitsRequest,
  GetTenantSettingsRequest,
  ListTenantsReply,
  ListTenantsRequest,
  PutTenantLimitsRequest,
  PutTenantSettingsRequest,
  TenantLimitsReply,
  TenantSettingsReply,
  TenantTermsReply,
} from '@batuta/contracts';
import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { principalOf } from '../access/requests.js';
import { TenantLimitsRegistry } from './limits.js';
import { TenantSettingsRegistry } from './tenant-settings.js';

/** `batuta.config.tenant.*`: requests about tenants, what they may use and what they have chosen. */
@Controller()
export class TenantsController {
  readonly #limits: TenantLimitsRegistry;
  readonly #settings: TenantSettingsRegistry;

  constructor(limits: TenantLimitsRegistry, settings: TenantSettingsRegistry) {
    this.#limits = limits;
    this.#settings = settings;
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

  @MessagePattern(subjects.config.tenantSettingsGet)
  getSettings(@Payload() request: GetTenantSettingsRequest): Promise<TenantSettingsReply> {
    return this.#settings.get(principalOf(request), request.tenantId);
  }

  @MessagePattern(subjects.config.tenantSettingsPut)
  putSettings(@Payload() request: PutTenantSettingsRequest): Promise<TenantSettingsReply> {
    return this.#settings.put(principalOf(request), request.tenantId, request.body, request.preconditions);
  }

  @MessagePattern(subjects.config.tenantTerms)
  terms(): Promise<TenantTermsReply> {
    return this.#limits.terms();
  }
}
