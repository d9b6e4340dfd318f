import type { ReasonBody } from '../dto/execute.dto.js';

/** Why something is asked for, as commands have it. */
export function reasonOf({ reason }: ReasonBody): { reason?: string } {
  return reason == null ? {} : { reason };
}
