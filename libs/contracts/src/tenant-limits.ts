import type { Refusal } from './common.js';
import type { TenantLimits } from './config.js';

interface LimitMeaning {
  /** The field in `TenantLimits`. */
  readonly field: keyof TenantLimits;
  /** The smallest and the largest allowed number, in addition to 0. */
  readonly min: number;
  readonly max: number;
  readonly whole: boolean;
  readonly description: string;
}

const count = (field: keyof TenantLimits, description: string): LimitMeaning => ({
  field,
  min: 1,
  max: 1_000_000_000,
  whole: true,
  description,
});
const bytes = (field: keyof TenantLimits, description: string): LimitMeaning => ({
  ...count(field, description),
  max: Number.MAX_SAFE_INTEGER,
});

/** Every limit of a tenant, in the form in which users write it. */
export const TENANT_LIMITS = {
  weight: {
    field: 'weight',
    min: 0.01,
    max: 100,
    whole: false,
    description: 'Of two tenants whose steps wait, one with twice the weight has twice the slots of runners.',
  },
  running_attempts: count('runningAttempts', 'Attempts of steps that run at once, of all pools; further ones wait.'),
  starts_per_second: {
    field: 'startsPerSecond',
    min: 0.01,
    max: 1_000_000,
    whole: false,
    description: 'Executions that begin or go on again in a second: starts, forks, retries and undoings.',
  },
  unfinished_executions: count('unfinishedExecutions', 'Executions that have not ended.'),
  websockets: count('websockets', 'WebSockets that are open, of all gateways.'),
  execution_bytes: bytes('executionBytes', 'Bytes of the events of executions.'),
  document_bytes: bytes('documentBytes', 'Bytes of documents of the knowledge base and of versions of configs.'),
} as const satisfies Readonly<Record<string, LimitMeaning>>;

export type TenantLimitName = keyof typeof TENANT_LIMITS;
export const TENANT_LIMIT_NAMES = Object.keys(TENANT_LIMITS) as readonly TenantLimitName[];

/**
 * Parses limits that a user wrote. Undefined when a name is unknown or a number is out of range. Null counts as absent.
 */
export function tenantLimitsOf(written: Readonly<Record<string, unknown>>): TenantLimits | undefined {
  const limits: Record<string, number> = {};
  for (const [name, value] of Object.entries(written)) {
    if (!Object.hasOwn(TENANT_LIMITS, name)) return undefined;
    if (value === null) continue;
    const { field, min, max, whole } = TENANT_LIMITS[name as TenantLimitName];
    if (typeof value !== 'number' || (whole && !Number.isInteger(value))) return undefined;
    if (value !== 0 && !(value >= min && value <= max)) return undefined;
    // A weight of 0 means the default weight.
    limits[field] = name === 'weight' && value === 0 ? 1 : value;
  }
  return limits as TenantLimits;
}

/** A refusal because a limit was reached. `retryMs`: when a retry may succeed, if that is known. */
export function limitReached(limit: TenantLimitName, most: number, message: string, retryMs?: number): Refusal {
  return {
    code: 'limit_reached',
    message,
    details: { limit, most, ...(retryMs === undefined ? {} : { retry_after_ms: Math.ceil(retryMs) }) },
  };
}
