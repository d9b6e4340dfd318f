import { operations } from '@batuta/contracts';
import { operationsController } from '@batuta/control';
import { TenantLimitsRegistry } from './limits.js';
import { TenantSettingsRegistry } from './tenant-settings.js';

export const TenantsController = operationsController('TenantsController', operations.tenants, TenantLimitsRegistry, {
  list: (limits, { principal, limit, cursor }) => limits.list(principal, { limit, cursor }),
  limits: (limits, { principal, tenantId }) => limits.get(principal, tenantId),
  setLimits: (limits, { principal, tenantId, body, preconditions }) =>
    limits.put(principal, tenantId, body, preconditions),
  terms: (limits) => limits.terms(),
});

export const TenantSettingsController = operationsController(
  'TenantSettingsController',
  operations.tenantSettings,
  TenantSettingsRegistry,
  {
    settings: (settings, { principal, tenantId }) => settings.get(principal, tenantId),
    setSettings: (settings, { principal, tenantId, body, preconditions }) =>
      settings.put(principal, tenantId, body, preconditions),
  },
);
