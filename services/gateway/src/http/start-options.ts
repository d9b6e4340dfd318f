import type { Priority } from '@batuta/contracts';
import { parseTime } from './query.js';

/** When a start is to happen and in which lane, as far as its checked body says. */
export function startOptionsOf(body: {
  readonly start_at?: string | undefined;
  readonly priority?: Priority | undefined;
}): {
  startAt: number | undefined;
  priority: Priority | undefined;
} {
  return {
    startAt: body.start_at == null ? undefined : parseTime(body.start_at),
    priority: body.priority ?? undefined,
  };
}
