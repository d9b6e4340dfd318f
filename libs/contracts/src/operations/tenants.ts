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
} from '../config.js';
import {
  GetTenantLimitsRequestSchema,
  GetTenantSettingsRequestSchema,
  ListTenantsReplySchema,
  ListTenantsRequestSchema,
  PutTenantLimitsRequestSchema,
  PutTenantSettingsRequestSchema,
  TenantLimitsReplySchema,
  TenantSettingsReplySchema,
  TenantTermsReplySchema,
  TenantTermsRequestSchema,
} from '../generated/batuta/config/v1/service_pb.js';
import { defineInternal, defineOperation } from './define.js';
import { cursorParameter, limitParameter } from './parameters.js';

const PATH = '/api/v1/tenants';

/** Tenants and their limits. */
export const tenants = {
  list: defineOperation<ListTenantsRequest, ListTenantsReply>({
    name: 'tenants.list',
    service: 'config',
    subject: 'batuta.config.tenant.list',
    kind: 'read',
    role: 'admin',
    does: 'list tenants',
    request: ListTenantsRequestSchema,
    reply: ListTenantsReplySchema,
    http: {
      method: 'GET',
      path: PATH,
      summary: 'List tenants',
      description: 'For admins of the tenant `default`.',
      query: { limit: limitParameter(200), cursor: cursorParameter },
      answers: [{ status: 200, schema: 'TenantPage', says: 'A page, by id.' }],
    },
  }),
  limits: defineOperation<GetTenantLimitsRequest, TenantLimitsReply>({
    name: 'tenants.limits',
    service: 'config',
    subject: 'batuta.config.tenant.limits.get',
    kind: 'read',
    role: 'admin',
    does: 'see limits',
    request: GetTenantLimitsRequestSchema,
    reply: TenantLimitsReplySchema,
    refuses: ['not_found'],
    http: {
      method: 'GET',
      path: `${PATH}/:tenant/limits`,
      summary: 'Get the limits of a tenant, with what it uses now',
      description: 'For admins of the tenant and of the tenant `default`.',
      seen: true,
      answers: [
        {
          status: 200,
          schema: 'TenantLimits',
          says: 'The limits; the `ETag` is of those that were set for this tenant.',
          etag: true,
        },
      ],
    },
  }),
  setLimits: defineOperation<PutTenantLimitsRequest, TenantLimitsReply>({
    name: 'tenants.setLimits',
    service: 'config',
    subject: 'batuta.config.tenant.limits.put',
    kind: 'command',
    role: 'admin',
    does: 'set limits',
    request: PutTenantLimitsRequestSchema,
    reply: TenantLimitsReplySchema,
    refuses: ['not_found'],
    http: {
      method: 'PUT',
      path: `${PATH}/:tenant/limits`,
      summary: 'Set the limits of a tenant',
      description:
        'For admins of the tenant `default`. All of them at once: what is left out or null is the default of the platform again, and 0 sets no limit. Engines and gateways follow within a second. What runs, waits or is open already stays.',
      compares: true,
      body: {
        schema: 'TenantLimitValues',
        says: 'The limits.',
        example: { weight: 2, starts_per_second: 50, unfinished_executions: 10_000 },
      },
      answers: [{ status: 200, schema: 'TenantLimits', says: 'The limits that hold now.', etag: true }],
    },
  }),
  terms: defineInternal<Record<string, never>, TenantTermsReply>({
    name: 'tenants.terms',
    service: 'config',
    subject: 'batuta.config.tenant.terms',
    kind: 'read',
    // A new limit takes effect within a second, so a late answer has no use.
    again: false,
    request: TenantTermsRequestSchema,
    reply: TenantTermsReplySchema,
    askedBy: ['gateway', 'execution'],
  }),
} as const;

/**
 * The choices of a tenant for itself, for example whether its users may run configs that the platform's tenant
 * publishes. Each applies to everybody in the tenant.
 */
export const tenantSettings = {
  settings: defineOperation<GetTenantSettingsRequest, TenantSettingsReply>({
    name: 'tenants.settings',
    service: 'config',
    subject: 'batuta.config.tenant.settings.get',
    kind: 'read',
    role: 'admin',
    does: 'see settings of the tenant',
    request: GetTenantSettingsRequestSchema,
    reply: TenantSettingsReplySchema,
    refuses: ['not_found'],
    http: {
      method: 'GET',
      path: `${PATH}/:tenant/settings`,
      summary: 'Get what a tenant has chosen for itself',
      description: 'For admins of the tenant and of the tenant `default`.',
      seen: true,
      answers: [{ status: 200, schema: 'TenantSettings', says: 'The settings.', etag: true }],
    },
  }),
  setSettings: defineOperation<PutTenantSettingsRequest, TenantSettingsReply>({
    name: 'tenants.setSettings',
    service: 'config',
    subject: 'batuta.config.tenant.settings.put',
    kind: 'command',
    role: 'admin',
    does: 'change settings of the tenant',
    request: PutTenantSettingsRequestSchema,
    reply: TenantSettingsReplySchema,
    refuses: ['not_found'],
    http: {
      method: 'PUT',
      path: `${PATH}/:tenant/settings`,
      summary: 'Set what a tenant chooses for itself',
      description:
        'For admins of the tenant and of the tenant `default`. All of them at once: what is left out is off. No execution begins by what was allowed before once this is answered; what runs already goes on.',
      compares: true,
      body: { schema: 'TenantSettingValues', says: 'The settings.', example: { global_configs: true } },
      answers: [{ status: 200, schema: 'TenantSettings', says: 'The settings that hold now.', etag: true }],
    },
  }),
} as const;
