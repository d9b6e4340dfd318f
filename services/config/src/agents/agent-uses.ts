import type { JsonObject } from '@batuta/contracts';
import { seeingEverybody } from '@batuta/service';
import type { EntityManager } from 'typeorm';
import { refuse, RefusedError } from '../access/refusals.js';
import type { Refused } from '../access/refusals.js';

/** How many configs a refusal names. */
const NAMED_CONFIGS = 20;

/** Throws `RefusedError` while a config that is not deleted, or another agent, uses the agent. */
export async function refuseUsed(manager: EntityManager, tenantId: string, agent: string): Promise<void> {
  // Row level security would prevent the use of this index. So the rows are found as for all tenants, and then
  // read as the tenant sees them.
  const named = await seeingEverybody(manager, () =>
    manager.query<{ id: string; total: string }[]>(
      `SELECT id, count(*) OVER () AS total FROM config.orchestration_configs
       WHERE tenant_id = $1 AND deleted_at IS NULL AND agents @> ARRAY[$2]::text[] ORDER BY name LIMIT $3`,
      [tenantId, agent, NAMED_CONFIGS],
    ),
  );
  const users =
    named.length === 0
      ? []
      : await manager.query<{ id: string; name: string; total: string }[]>(
          `SELECT id, name, $2::text AS total FROM config.orchestration_configs
           WHERE id = ANY($1::uuid[]) ORDER BY name`,
          [named.map(({ id }) => id), named[0]?.total],
        );
  if (users.length > 0) throw new RefusedError(inUse(agent, users));
  const others = await manager.query<{ name: string }[]>(
    'SELECT name FROM config.agents WHERE tenant_id = $1 AND uses @> ARRAY[$2]::text[] AND name <> $2 ORDER BY name LIMIT $3',
    [tenantId, agent, NAMED_CONFIGS],
  );
  if (others.length > 0) throw new RefusedError(usedByAgents(agent, others));
}

function inUse(agent: string, users: readonly { id: string; name: string; total: string }[]): Refused {
  const total = Number(users[0]?.total ?? users.length);
  const names = users.map(({ name }) => `"${name}"`).join(', ');
  const more = total > users.length ? ` and ${total - users.length} more` : '';
  const configs: JsonObject[] = users.map(({ id, name }) => ({ id, name }));
  return refuse('conflict', `The agent "${agent}" is used by ${names}${more}. Change or delete them first.`, {
    details: { configs, total },
  });
}

function usedByAgents(agent: string, users: readonly { name: string }[]): Refused {
  const names = users.map(({ name }) => `"${name}"`).join(', ');
  const message = `The agent "${agent}" is a tool of the agents ${names}. Change or delete them first.`;
  return refuse('conflict', message, { details: { agents: users.map(({ name }) => name) } });
}
