import type { TenantLimitName } from '@batuta/contracts';
import { TENANT_ID, TENANT_LIMITS, TENANT_LIMIT_NAMES, TenantSchema } from '@batuta/contracts';
import type { OpenApiPart } from '../openapi/openapi-part.js';
import { nullable, page, ref } from '../openapi/openapi-schema.js';
import type { OpenApiSchema } from '../openapi/openapi-schema.js';

/** A number field for each limit. */
function numbersOf(names: readonly TenantLimitName[], mayBeNull: boolean, description: string): OpenApiSchema {
  const number = (name: TenantLimitName): OpenApiSchema => ({
    type: 'number',
    description: TENANT_LIMITS[name].description,
  });
  return {
    type: 'object',
    description,
    required: [...names],
    properties: Object.fromEntries(names.map((name) => [name, mayBeNull ? nullable(number(name)) : number(name)])),
  };
}

export const tenantsPart: OpenApiPart = {
  messages: [TenantSchema],
  always: {
    Tenant: ['id', 'created_at', 'revision'],
    TenantLimitValues: [],
    TenantSettingValues: [],
  },
  says: {
    tenants: 'The tenants.',
    'Tenant.id': 'Its id.',
    'Tenant.revision': 'Grows by one with each change.',
  },
  schemas: () => ({
    TenantPage: page('tenants', 'Tenant'),
    TenantLimitValues: {
      type: 'object',
      additionalProperties: false,
      properties: Object.fromEntries(
        TENANT_LIMIT_NAMES.map((name) => {
          const { max, whole, description } = TENANT_LIMITS[name];
          const type = whole ? 'integer' : 'number';
          return [name, nullable({ type, minimum: 0, maximum: max, description })];
        }),
      ),
    },
    TenantSettingValues: {
      type: 'object',
      additionalProperties: false,
      properties: {
        global_configs: {
          type: 'boolean',
          default: false,
          description: 'Whether this tenant sees and runs the global configs of the tenant `default`.',
        },
      },
    },
    TenantSettings: {
      type: 'object',
      required: ['tenant_id', 'global_configs'],
      properties: {
        tenant_id: { type: 'string', description: 'The tenant.' },
        global_configs: {
          type: 'boolean',
          description: 'Whether this tenant sees and runs global configs.',
        },
      },
    },
    TenantLimits: {
      type: 'object',
      required: ['tenant_id', 'own', 'limits', 'used'],
      properties: {
        tenant_id: { type: 'string', description: 'The tenant.' },
        paused: { ...ref('Pause'), description: 'Absent when the tenant is not paused.' },
        own: numbersOf(TENANT_LIMIT_NAMES, true, 'The limit that is set for this tenant; null when none is.'),
        limits: numbersOf(
          TENANT_LIMIT_NAMES,
          false,
          'The limit that applies: its own, or the platform’s default; 0: no limit.',
        ),
        used: numbersOf(
          TENANT_LIMIT_NAMES.filter((name) => name !== 'weight'),
          true,
          'Its current use. WebSockets are counted only when they are limited.',
        ),
      },
    },
  }),
  parameters: [
    [
      /^\/api\/v1\/tenants\//,
      'tenant',
      { description: 'The tenant.', schema: { type: 'string', pattern: TENANT_ID.source }, example: 'acme' },
    ],
  ],
};
