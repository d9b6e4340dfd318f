import { operations, TENANT_LIMIT_NAMES, TENANT_LIMITS, TenantSettingsSchema, toUserJson } from '@batuta/contracts';
import type {
  GetTenantUseReply,
  JsonObject,
  TenantLimits,
  TenantLimitsReply,
  TenantSettings,
  TenantSettingsReply,
} from '@batuta/contracts';
import type { Backend } from '../backend/backend.js';
import { pausedField, pausesFor } from '../pauses/paused.js';
import { featureController } from '../routes/feature-controller.js';
import type { Asked } from '../routes/feature-controller.js';
import { accepted } from '../http/problem.js';

const tenantIn = ({ params }: Asked): { tenantId: string } => ({ tenantId: params['tenant'] ?? '' });

/** The limits of a tenant together with its current use, which the engine knows. */
async function shownLimits(reply: TenantLimitsReply, asked: Asked, backend: Backend): Promise<JsonObject> {
  const { own, limits, documentBytesUsed = 0 } = reply;
  const { tenantId } = tenantIn(asked);
  const use = accepted(await backend.ask<GetTenantUseReply>(operations.engine.use.subject, { tenantId }));
  const used: Partial<Record<keyof TenantLimits, number>> = { ...use, documentBytes: documentBytesUsed };
  const valuesOf = (values: TenantLimits | typeof used | undefined): JsonObject =>
    Object.fromEntries(TENANT_LIMIT_NAMES.map((name) => [name, values?.[TENANT_LIMITS[name].field] ?? null]));
  const { weight: _weight, ...usedNow } = valuesOf(used);
  const held = Object.entries(valuesOf(limits)).map(([name, value]) => [name, value ?? (name === 'weight' ? 1 : 0)]);
  const pauses = await pausesFor(backend, asked.principal);
  const paused = pausedField(pauses, 'tenant', tenantId);
  return {
    tenant_id: tenantId,
    ...paused,
    own: valuesOf(own),
    limits: Object.fromEntries(held) as JsonObject,
    used: usedNow,
  };
}

function shownSettings({ settings = {} as TenantSettings }: TenantSettingsReply, asked: Asked): JsonObject {
  const { tenantId } = tenantIn(asked);
  return { tenant_id: tenantId, ...toUserJson(TenantSettingsSchema, settings) };
}

export const TenantsController = featureController(
  'TenantsController',
  { ...operations.tenants, ...operations.tenantSettings },
  {
    limits: { request: tenantIn, shown: shownLimits },
    setLimits: { request: tenantIn, shown: shownLimits },
    settings: { request: tenantIn, shown: shownSettings },
    setSettings: { request: tenantIn, shown: shownSettings },
  },
);
