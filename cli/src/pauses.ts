import type { BatutaClient } from '@batuta/client';

type Pause = Awaited<ReturnType<BatutaClient['pauses']['list']>>['pauses'][number];

/** A pause as one line. */
export function pauseLine({ kind, name, tenant_id, reason, paused_by, paused_at }: Pause): string {
  const whose = kind === 'pool' ? ` for ${tenant_id == null ? 'every tenant' : `tenant ${tenant_id}`}` : '';
  return `${kind} ${name}  paused${whose} by ${paused_by} since ${paused_at}${reason === '' ? '' : `: ${reason}`}`;
}
