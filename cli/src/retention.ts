import type { BatutaClient } from '@batuta/client';

interface RetentionOptions {
  /** Milliseconds. */
  readonly olderThan?: number;
  readonly keep?: number;
  readonly status?: readonly string[];
  readonly config?: string;
  /** Put into the archive before they are deleted. */
  readonly archive?: boolean;
}

type Policy = Awaited<ReturnType<BatutaClient['retentionPolicies']['get']>>;
type Body = Parameters<BatutaClient['retentionPolicies']['put']>[1];

/** Creates or replaces a policy. The platform decides which fields are valid. */
export async function setRetention(client: BatutaClient, name: string, options: RetentionOptions): Promise<Policy> {
  const { olderThan, keep, status, config, archive } = options;
  const body = {
    ...(olderThan === undefined ? {} : { older_than_ms: olderThan }),
    ...(keep === undefined ? {} : { keep_newest: keep }),
    ...(status === undefined ? {} : { statuses: [...status] as NonNullable<Body['statuses']> }),
    ...(config === undefined ? {} : { config_id: config }),
    ...(archive === true ? { action: 'archive' } : {}),
  } as Body;
  return await client.retentionPolicies.put(name, body);
}

/** A policy as one line. */
export function retentionLine({ name, config_id, statuses, older_than_ms, keep_newest, action }: Policy): string {
  const which = statuses.length === 0 ? 'executions' : `${statuses.join(' and ')} executions`;
  const of = config_id == null ? '' : ` of config ${config_id}`;
  const when = older_than_ms == null ? '' : ` that ended ${age(older_than_ms)} ago`;
  const beyond = keep_newest == null ? '' : `${when === '' ? '' : ' and'} are not among the newest ${keep_newest}`;
  return `${name}  ${action}s ${which}${of}${when}${beyond === '' ? '' : when === '' ? ` that${beyond}` : beyond}`;
}

function age(ms: number): string {
  const [unit = 'ms', size = 1] =
    (
      [
        ['d', 86_400_000],
        ['h', 3_600_000],
        ['m', 60_000],
        ['s', 1000],
      ] as const
    ).find(([, each]) => ms > 0 && ms % each === 0) ?? [];
  return `${ms / size} ${unit}`;
}
