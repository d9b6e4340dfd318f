import type { RetentionPolicy } from '@batuta/contracts';

/** A policy with what is known of its tenant's executions now. */
export interface Measured {
  readonly policy: RetentionPolicy;
  /** Of a policy that keeps the newest: the newest execution that is not among them; undefined when all are. */
  readonly beyond?: Place | undefined;
}

/** Where an execution stands in the list of its tenant's. */
export interface Place {
  /** Epoch ms. */
  readonly createdAt: number;
  readonly id: string;
}

/** An execution that has ended, as far as policies look at it. */
export interface Ended extends Place {
  readonly configId: string;
  readonly status: string;
  /** Epoch ms. */
  readonly endedAt: number;
}

/**
 * The policies that decide about executions of a config: those that name it, and only where there is none, those that name none.
 * So a config may keep its executions longer than its tenant's others.
 */
export function policiesOf(policies: readonly Measured[], configId: string): readonly Measured[] {
  const own = policies.filter(({ policy }) => policy.configId === configId);
  return own.length > 0 ? own : policies.filter(({ policy }) => policy.configId === undefined);
}

/** When a policy wants an execution gone, epoch ms; undefined when it does not. */
export function dueAt({ policy, beyond }: Measured, execution: Ended): number | undefined {
  const { statuses = [], olderThanMs, keepNewest } = policy;
  if (statuses.length > 0 && !statuses.includes(execution.status as (typeof statuses)[number])) return undefined;
  if (keepNewest !== undefined && (beyond === undefined || isNewer(execution, beyond))) return undefined;
  // Beyond those that are kept it is due at once.
  return execution.endedAt + (olderThanMs ?? 0);
}

/** The policy that wants an execution gone first, among those that decide about it; undefined when none does by `now`. */
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

/** What the platform does with executions of tenants that have no policy for all of theirs; undefined: nothing. */
export function platformDefault(olderThanMs: number | undefined): RetentionPolicy | undefined {
  if (olderThanMs === undefined) return undefined;
  return { name: 'platform', action: 'delete', olderThanMs, version: 1, createdAt: 0, updatedAt: 0, updatedBy: '' };
}

/** Executions that were created later than this are not looked at: whichever policy, they are too young. Epoch ms. */
export function youngest(policies: readonly Measured[], now: number): number {
  return now - Math.min(...policies.map(({ policy }) => policy.olderThanMs ?? 0));
}

function isNewer(one: Place, other: Place): boolean {
  return one.createdAt > other.createdAt || (one.createdAt === other.createdAt && one.id > other.id);
}
