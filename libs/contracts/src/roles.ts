import { ROLES } from './codes.js';
import type { Role } from './codes.js';
import { subjects } from './subjects.js';

const { config, notifications } = subjects;

/** Whether a role may do what needs another: viewer < operator < admin. A role that is none of them may do nothing. */
export function allows(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}

/**
 * The least role that each operation takes; those that are not here take `viewer`. Written once: the service refuses by it, the
 * gateway refuses by it before it asks, and OpenAPI shows it.
 */
const ROLE_OF = {
  [config.create]: 'operator',
  [config.update]: 'operator',
  [config.delete]: 'operator',
  [config.restore]: 'operator',
  // Whose workers get a tenant's tasks is an admin's business.
  [config.agentPut]: 'admin',
  [config.agentDelete]: 'admin',
  [config.keyCreate]: 'admin',
  [config.keyGet]: 'admin',
  [config.keyList]: 'admin',
  [config.keyRevoke]: 'admin',
  [config.credentialsCreate]: 'admin',
  [config.credentialsGet]: 'admin',
  [config.credentialsList]: 'admin',
  [config.credentialsRevoke]: 'admin',
  [config.tenantList]: 'admin',
  [config.tenantLimitsGet]: 'admin',
  [config.tenantLimitsPut]: 'admin',
  // Whether what the platform's tenant publishes is run here is a decision for everybody in the tenant.
  [config.tenantSettingsGet]: 'admin',
  [config.tenantSettingsPut]: 'admin',
  [config.knowledgePut]: 'operator',
  [config.knowledgeDelete]: 'operator',
  [notifications.callbackCreate]: 'operator',
  [notifications.callbackDelete]: 'operator',
  [notifications.callbackEnable]: 'operator',
  // Of one callback; that of the whole tenant takes an admin.
  [notifications.secretRotate]: 'operator',
  [notifications.deliveryRedrive]: 'operator',
} as const satisfies Readonly<Record<string, Role>>;

/** The least role that may ask for an operation, by its subject. */
export function roleOf(subject: keyof typeof ROLE_OF): Role {
  return ROLE_OF[subject];
}

/** Rotating the signing secret of a whole tenant. */
export const TENANT_SECRET_ROLE: Role = 'admin';

/** Deleting an execution, which cannot be taken back. */
export const DELETE_ROLE: Role = 'admin';

/** Every other command to an execution, a start included. */
export const COMMAND_ROLE: Role = 'operator';
