import type { EntityManager } from 'typeorm';
import { RefusedError, refuse } from '../access/refusals.js';
import type { Refused } from '../access/refusals.js';

export function nameTaken(name: string, isGlobal = false): Refused {
  return refuse('name_taken', `There is already a ${isGlobal ? 'global ' : ''}config named "${name}".`);
}

interface Named {
  /** Absent for a config that is not there yet. */
  readonly id?: string;
  readonly tenantId: string;
  readonly name: string;
  readonly isGlobal: boolean;
}

const NAMESAKES = `SELECT tenant_id = $2 AS own FROM config.orchestration_configs
  WHERE name = $1 AND deleted_at IS NULL AND id IS DISTINCT FROM $4 AND (tenant_id = $2 OR ($3 AND is_global))`;

/**
 * Takes the name until the end of the transaction. Throws `RefusedError` when another config has it. The unique indexes
 * would refuse it too, but PostgreSQL then writes an error into its log, where operators look for real ones.
 */
export async function requireName(manager: EntityManager, { id, tenantId, name, isGlobal }: Named): Promise<void> {
  const locked = [JSON.stringify([tenantId, name]), ...(isGlobal ? [JSON.stringify([name])] : [])];
  for (const each of locked) await manager.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 9))', [each]);
  const others = await manager.query<{ own: boolean }[]>(NAMESAKES, [name, tenantId, isGlobal, id ?? null]);
  if (others.length > 0) throw new RefusedError(nameTaken(name, !others.some(({ own }) => own)));
}
