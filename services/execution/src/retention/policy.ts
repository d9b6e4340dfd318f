import type { RetentionPolicy } from '@batuta/contracts';

/** A policy, with facts about its tenant's current executions. */
export interface Measured {
  readonly policy: RetentionPolicy;
  /** For a policy that keeps the newest: the newest execution that is not kept. Undefined when all are. */
  readonly beyond?: Place | undefined;
}

/** The position of an execution in its tenant's list. */
interface Place {
  /** Epoch ms. */
  readonly createdAt: number;
  readonly id: string;
}

/** An ended execution, with the facts that policies need. */
export interface Ended extends Place {
  readonly configId: string;
  readonly status: string;
  /** Epoch ms. */
  readonly endedAt: number;
}

/**
 * The policies for executions of a config: those that name it, or if there is none, those that name no config. So a
 * config may keep its executions longer than the tenant's others.
 */
function policiesOf(policies: readonly Measured[], configId: string): readonly Measured[] {
  const own = policies.filter(({ policy }) => policy.configId === configId);
  return own.length > 0 ? own : policies.filter(({ policy }) => policy.configId === undefined);
}

/** When a policy deletes an execution, in epoch ms. Undefined when it does not. */
function dueAt({ policy, beyond }: Measured, execution: Ended): number | undefined {
  const { statuses = [], olderThanMs, keepNewest } = policy;
  if (statuses.length > 0 && !statuses.includes(execution.status as (typeof statuses)[number])) return undefined;
  if (keepNewest !== undefined && (beyond === undefined || isNewer(execution, beyond))) return undefined;
  // An execution that is not among the kept ones is due at once.
  return execution.endedAt + (olderThanMs ?? 0);
}

/** The policy that deletes an execution first, among those that apply to it. Undefined when none does by `now`. */
export function judged(
  policies: readonly Measured[],
  execution: Ended,
  now: number,
): { readonly policy: RetentionPolicy; readonly since: number } | undefined {
  let found: { policy: RetentionPolicy; since: number } | undefined;
  for (const measured of policiesOf(policies, execution.configId)) {
    const since = dueAt(measured, execution);
    if (since === undefined || since > now) continue;
    if (found === undefined || since < found.since) found = { policy: measured.policy, since };
  }
  return found;
}

/** The platform's policy for tenants without a policy for all of their executions. Undefined: none. */
export function platformDefault(
  olderThanMs: number | undefined,
  action: RetentionPolicy['action'],
): RetentionPolicy | undefined {
  if (olderThanMs === undefined) return undefined;
  return { name: 'platform', action, olderThanMs, version: 1, createdAt: 0, updatedAt: 0, updatedBy: '' };
}

/** Executions that were created later than this are too young for every policy. Epoch ms. */
export function youngest(policies: readonly Measured[], now: number): number {
  return now - Math.min(...policies.map(({ policy }) => policy.olderThanMs ?? 0));
}

function isNewer(one: Place, other: Place): boolean {
  return one.createdAt > other.createdAt || (one.createdAt === other.createdAt && one.id > other.id);
}
