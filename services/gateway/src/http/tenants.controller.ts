import { Body, Controller, Get, Param, Put, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import {
  roleOf,
  subjects,
  TENANT_LIMIT_NAMES,
  TENANT_LIMITS,
  TenantSchema,
  TenantSettingsSchema,
  toUserJson,
  cursorParameter,
  limitParameter,
} from '@batuta/contracts';
import type {
  GetTenantUseReply,
  JsonObject,
  JsonValue,
  ListTenantsReply,
  Preconditions,
  Principal,
  TenantLimits,
  TenantLimitsReply,
  TenantSettings,
  TenantSettingsReply,
} from '@batuta/contracts';
import { Caller, Needs } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import { objectBody } from './checked.js';
import { Answers, BodyIs, IfMatch, IfNoneMatch, OF_A_BODY, Queries, Refuses } from './documented.js';
import { tagged } from './headers.js';
import { Conditions } from './preconditions.js';
import { accepted } from './problem.js';
import { parseQuery } from './query.js';
import { shownCursor } from './shown.js';

const LIST = { limit: limitParameter(200), cursor: cursorParameter } as const;

@ApiTags('Tenants')
@ApiBearerAuth()
@Controller('api/v1/tenants')
export class TenantsController {
  constructor(private readonly backend: Backend) {}

  @Get()
  @Needs(roleOf(subjects.config.tenantList))
  @ApiOperation({ summary: 'List tenants', description: 'For admins of the tenant `default`.' })
  @Queries(LIST)
  @Answers(200, 'TenantPage', 'A page, by id.')
  @Refuses()
  async list(@Caller() principal: Principal, @Query() raw: unknown): Promise<JsonObject> {
    const { limit, cursor } = parseQuery(LIST, raw);
    const asked = { principal, limit, cursor };
    const { tenants, nextCursor } = accepted(
      await this.backend.ask<ListTenantsReply>(subjects.config.tenantList, asked),
    );
    return {
      tenants: (tenants ?? []).map((tenant) => toUserJson(TenantSchema, tenant)),
      next_cursor: shownCursor(nextCursor),
    };
  }

  @Get(':tenant/limits')
  @Needs(roleOf(subjects.config.tenantLimitsGet))
  @ApiOperation({
    summary: 'Get the limits of a tenant, with what it uses now',
    description: 'For admins of the tenant and of the tenant `default`.',
  })
  @IfNoneMatch
  @Answers(200, 'TenantLimits', 'The limits; the `ETag` is of those that were set for this tenant.', true)
  @Refuses('not_found')
  async limits(
    @Caller() principal: Principal,
    @Param('tenant') tenantId: string,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const asked = { principal, tenantId };
    const found = accepted(await this.backend.ask<TenantLimitsReply>(subjects.config.tenantLimitsGet, asked));
    return tagged(reply, found.etag, await this.#shown(tenantId, found));
  }

  @Put(':tenant/limits')
  @Needs(roleOf(subjects.config.tenantLimitsPut))
  @ApiOperation({
    summary: 'Set the limits of a tenant',
    description:
      'For admins of the tenant `default`. All of them at once: what is left out or null is the default of the platform again, and 0 sets no limit. Engines and gateways follow within a second. What runs, waits or is open already stays.',
  })
  @IfMatch
  @BodyIs('TenantLimitValues', 'The limits.')
  @Answers(200, 'TenantLimits', 'The limits that hold now.', true)
  @Refuses('not_found', 'version_conflict', ...OF_A_BODY)
  async setLimits(
    @Caller() principal: Principal,
    @Param('tenant') tenantId: string,
    @Body(objectBody) body: JsonValue,
    @Query() query: unknown,
    @Conditions() preconditions: Preconditions | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const request = { principal, tenantId, body, preconditions };
    const set = accepted(await this.backend.ask<TenantLimitsReply>(subjects.config.tenantLimitsPut, request));
    return tagged(reply, set.etag, await this.#shown(tenantId, set));
  }

  @Get(':tenant/settings')
  @Needs(roleOf(subjects.config.tenantSettingsGet))
  @ApiOperation({
    summary: 'Get what a tenant has chosen for itself',
    description: 'For admins of the tenant and of the tenant `default`.',
  })
  @IfNoneMatch
  @Answers(200, 'TenantSettings', 'The settings.', true)
  @Refuses('not_found')
  async settings(
    @Caller() principal: Principal,
    @Param('tenant') tenantId: string,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const asked = { principal, tenantId };
    const found = accepted(await this.backend.ask<TenantSettingsReply>(subjects.config.tenantSettingsGet, asked));
    return tagged(reply, found.etag, shownSettings(tenantId, found));
  }

  @Put(':tenant/settings')
  @Needs(roleOf(subjects.config.tenantSettingsPut))
  @ApiOperation({
    summary: 'Set what a tenant chooses for itself',
    description:
      'For admins of the tenant and of the tenant `default`. All of them at once: what is left out is off. No execution begins by what was allowed before once this is answered; what runs already goes on.',
  })
  @IfMatch
  @BodyIs('TenantSettingValues', 'The settings.')
  @Answers(200, 'TenantSettings', 'The settings that hold now.', true)
  @Refuses('not_found', 'version_conflict', ...OF_A_BODY)
  async setSettings(
    @Caller() principal: Principal,
    @Param('tenant') tenantId: string,
    @Body(objectBody) body: JsonValue,
    @Query() query: unknown,
    @Conditions() preconditions: Preconditions | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const request = { principal, tenantId, body, preconditions };
    const set = accepted(await this.backend.ask<TenantSettingsReply>(subjects.config.tenantSettingsPut, request));
    return tagged(reply, set.etag, shownSettings(tenantId, set));
  }

  async #shown(tenantId: string, { own, limits, documentBytesUsed }: TenantLimitsReply): Promise<JsonObject> {
    const use = accepted(await this.backend.ask<GetTenantUseReply>(subjects.query.use, { tenantId }));
    const used: Partial<Record<keyof TenantLimits, number>> = { ...use, documentBytes: documentBytesUsed ?? 0 };
    const valuesOf = (values: TenantLimits | typeof used | undefined): JsonObject =>
      Object.fromEntries(TENANT_LIMIT_NAMES.map((name) => [name, values?.[TENANT_LIMITS[name].field] ?? null]));
    const { weight: _weight, ...usedNow } = valuesOf(used);
    const held = Object.entries(valuesOf(limits)).map(([name, value]) => [name, value ?? (name === 'weight' ? 1 : 0)]);
    return { tenant_id: tenantId, own: valuesOf(own), limits: Object.fromEntries(held) as JsonObject, used: usedNow };
  }
}

function shownSettings(tenantId: string, { settings = {} as TenantSettings }: TenantSettingsReply): JsonObject {
  return { tenant_id: tenantId, ...toUserJson(TenantSettingsSchema, settings) };
}
