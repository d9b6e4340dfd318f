import {
  BUILT_IN_AGENT_DESCRIPTIONS,
  DEFAULT_POOL,
  etagOf,
  preconditionRefusal,
  TOKEN,
  objectOf,
  TOKEN_SCHEMA,
} from '@batuta/contracts';
import type {
  Agent,
  AgentDescription,
  AgentReply,
  JsonObject,
  JsonValue,
  ListAgentsReply,
  Preconditions,
  Principal,
} from '@batuta/contracts';
import { Sandbox, SandboxBusyError } from '@batuta/sandbox';
import { seeingEverybody } from '@batuta/service';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { ConfigRows } from '../database/data-source.js';
import { invalid, refuse, RefusedError } from '../access/refusals.js';
import type { Refused } from '../access/refusals.js';
import { findable, textField } from '../access/requests.js';
import { Changes } from '../changes.js';
import { Report, documentCheck, guardJson, isRecord } from '@batuta/documents';
import { mergePatch } from '../json/merge-patch.js';
import { AgentEntity } from './agent.entity.js';
import { PoolClaims } from './pool-claims.js';

const BUILT_IN: ReadonlyMap<string, AgentDescription> = new Map(
  BUILT_IN_AGENT_DESCRIPTIONS.map((agent) => [agent.name, agent]),
);
const MAX_SCHEMA_BYTES = 128 * 1024;
const MAX_AGENTS = 1000;
/** How many concurrent changes by others one patch tolerates. */
const PATCH_TRIES = 10;
/** How many configs a refusal names. */
const NAMED_CONFIGS = 20;

const token = documentCheck(TOKEN_SCHEMA);
const bodyShape = documentCheck(
  objectOf(
    'The description of an agent.',
    { pool: TOKEN_SCHEMA, description: { type: 'string', maxLength: 2000 }, input_schema: {}, output_schema: {} },
    ['pool'],
  ),
);

/** The agents of each tenant besides the built-in ones: the pool that serves them, and the schemas of their data. */
@Injectable()
export class AgentRegistry {
  readonly #rows: ConfigRows;
  readonly #sandbox: Sandbox;
  readonly #changes: Changes;
  readonly #pools: PoolClaims;

  constructor(rows: ConfigRows, sandbox: Sandbox, changes: Changes, pools: PoolClaims) {
    this.#rows = rows;
    this.#sandbox = sandbox;
    this.#changes = changes;
    this.#pools = pools;
  }

  /** Makes or changes an agent. Each change raises its revision by one. */
  async put(principal: Principal, name: unknown, body: unknown, preconditions?: Preconditions): Promise<AgentReply> {
    const checked = await this.#check(principal, textField(name), body);
    if (checked !== undefined) return checked;
    const { tenantId } = principal;
    const agent = textField(name);
    const given = bodyShape.withoutNulls(body) as Record<string, JsonValue>;
    const { pool, description = '', input_schema: input, output_schema: output } = given;
    const work = this.#rows.of(tenantId).transaction(async (manager): Promise<AgentReply> => {
      // Counted under a lock of the tenant, so that two concurrent requests cannot exceed the limit.
      await manager.query('SELECT id FROM config.tenants WHERE id = $1 FOR UPDATE', [tenantId]);
      // Before the agent's row is locked: a transaction that waits for the pool must not hold a lock that the pool's
      // holder needs.
      await this.#pools.claim(manager, tenantId, pool as string);
      // Locked, so that the state checked by the preconditions stays until the change.
      const before = await manager.findOne(AgentEntity, {
        where: { tenantId, name: agent },
        lock: { mode: 'pessimistic_write' },
      });
      const refused = preconditionRefusal(preconditions, before === null ? undefined : tagged(before));
      // Thrown, so that the claim is rolled back too.
      if (refused !== undefined) throw new RefusedError({ refused });
      if (before === null && (await manager.countBy(AgentEntity, { tenantId })) >= MAX_AGENTS) {
        throw new RefusedError(refuse('conflict', `A tenant may have at most ${MAX_AGENTS} agents.`));
      }
      await manager.query(
        `INSERT INTO config.agents AS a (tenant_id, name, pool, description, input_schema, output_schema, revision)
         VALUES ($1, $2, $3, $4, $5, $6, 1)
         ON CONFLICT (tenant_id, name) DO UPDATE SET pool = excluded.pool, description = excluded.description,
           input_schema = excluded.input_schema, output_schema = excluded.output_schema,
           revision = a.revision + 1, updated_at = now()`,
        [tenantId, agent, pool, description, jsonOrNull(input), jsonOrNull(output)],
      );
      const saved = await manager.findOneByOrFail(AgentEntity, { tenantId, name: agent });
      return { ...replyOf(toAgent(saved)), ...(before === null ? { created: true } : {}) };
    });
    const saved = await work.catch((error: unknown): AgentReply => {
      if (error instanceof RefusedError) return error.refusal;
      throw error;
    });
    if (saved.refused === undefined) this.#changes.announce({ kind: 'agent', tenantId, id: agent });
    return saved;
  }

  /**
   * Changes an agent by a JSON merge patch of its description. When others change it meanwhile and the caller expects
   * no certain revision, the patch is applied to the new revision.
   */
  async patch(principal: Principal, name: unknown, patch: unknown, preconditions?: Preconditions): Promise<AgentReply> {
    const agent = findable(name, 64) ?? '';
    if (BUILT_IN.has(agent)) return refuse('forbidden', `"${agent}" is built in and cannot be changed.`);
    const guarded = new Report();
    guardJson(patch, guarded);
    if (guarded.total > 0) return invalid('The patch', guarded.violations, guarded.total);
    for (let tried = 1; ; tried += 1) {
      const found = await this.#rows.of(principal.tenantId).manager.findOneBy(AgentEntity, {
        tenantId: principal.tenantId,
        name: agent,
      });
      if (found === null) return refuse('not_found', 'There is no such agent.');
      const refused = preconditionRefusal(preconditions, tagged(found));
      if (refused !== undefined) return { refused };
      const { etag } = tagged(found);
      const body = mergePatch(bodyOf(found), patch);
      const reply = await this.put(principal, agent, body, { ifMatch: { tags: [etag] } });
      // The caller's own conditions are checked again with the new revision.
      if (reply.refused?.code !== 'version_conflict' || tried >= PATCH_TRIES) return reply;
    }
  }

  async get(tenantId: string, name: unknown): Promise<AgentReply> {
    const agent = findable(name, 64);
    const described = agent === undefined ? undefined : BUILT_IN.get(agent);
    if (described !== undefined) return replyOf(builtIn(described, tenantId));
    const found =
      agent === undefined
        ? null
        : await this.#rows.of(tenantId).manager.findOneBy(AgentEntity, { tenantId, name: agent });
    return found === null ? refuse('not_found', 'There is no such agent.') : replyOf(toAgent(found));
  }

  /** The built-in agents, then the tenant's own agents by name. */
  async list(tenantId: string): Promise<ListAgentsReply> {
    const own = await this.#rows.of(tenantId).manager.find(AgentEntity, {
      where: { tenantId },
      order: { name: 'ASC' },
      take: MAX_AGENTS,
      // The schemas of a thousand agents would not fit into a message. The answer for a single agent has them.
      select: { tenantId: true, name: true, pool: true, description: true, revision: true, updatedAt: true },
    });
    return { agents: [...BUILT_IN_AGENT_DESCRIPTIONS.map((agent) => builtIn(agent, tenantId)), ...own.map(toAgent)] };
  }

  /** Refused while a config that is not deleted uses the agent. */
  async delete(principal: Principal, name: unknown, preconditions?: Preconditions): Promise<AgentReply> {
    const agent = findable(name, 64) ?? '';
    if (BUILT_IN.has(agent)) return refuse('forbidden', `"${agent}" is built in and cannot be deleted.`);
    const { tenantId } = principal;
    try {
      const gone = await this.#rows.of(tenantId).transaction(async (manager) => {
        const where = { tenantId, name: agent };
        // Waits for every config that is being saved with this agent, and makes later ones wait.
        const found = await manager.findOne(AgentEntity, { where, lock: { mode: 'pessimistic_write' } });
        if (found === null) throw new RefusedError(refuse('not_found', 'There is no such agent.'));
        const refused = preconditionRefusal(preconditions, tagged(found));
        if (refused !== undefined) throw new RefusedError({ refused });
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
        await manager.delete(AgentEntity, where);
        return found;
      });
      this.#changes.announce({ kind: 'agent', tenantId, id: agent });
      return { agent: toAgent(gone) };
    } catch (error) {
      if (error instanceof RefusedError) return error.refusal;
      throw error;
    }
  }

  /** Which of the given names are in the tenant's registry. */
  async existing(tenantId: string, names: readonly string[]): Promise<ReadonlySet<string>> {
    const found = await this.#rows
      .of(tenantId)
      .query<{ name: string }[]>('SELECT name FROM config.agents WHERE tenant_id = $1 AND name = ANY($2)', [
        tenantId,
        names.filter((name) => TOKEN.test(name)),
      ]);
    return new Set(found.map(({ name }) => name));
  }

  /** All names in the tenant's registry. */
  async names(tenantId: string): Promise<string[]> {
    const found = await this.#rows
      .of(tenantId)
      .query<{ name: string }[]>('SELECT name FROM config.agents WHERE tenant_id = $1 ORDER BY name LIMIT $2', [
        tenantId,
        MAX_AGENTS,
      ]);
    return found.map(({ name }) => name);
  }

  /** Which of the given names are agents in pools of the platform: `default` and the shared ones. */
  async ofPlatformPools(tenantId: string, names: readonly string[]): Promise<ReadonlySet<string>> {
    const found = await this.#rows
      .of(tenantId)
      .query<{ name: string; pool: string }[]>(
        'SELECT name, pool FROM config.agents WHERE tenant_id = $1 AND name = ANY($2)',
        [tenantId, names.filter((name) => TOKEN.test(name))],
      );
    return new Set(found.filter(({ pool }) => this.#pools.isShared(pool)).map(({ name }) => name));
  }

  /**
   * Keeps these agents from being deleted until the transaction ends. Throws `RefusedError` when one does not exist any
   * more.
   */
  async lock(manager: EntityManager, tenantId: string, names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    const found = await manager.query<{ name: string }[]>(
      'SELECT name FROM config.agents WHERE tenant_id = $1 AND name = ANY($2) ORDER BY name FOR KEY SHARE',
      [tenantId, names],
    );
    const locked = new Set(found.map(({ name }) => name));
    const missing = names.filter((name) => !locked.has(name));
    if (missing.length === 0) return;
    throw new RefusedError(
      invalid(
        'The config',
        missing.map((name) => ({
          path: '',
          code: 'unknown_agent',
          message: `the agent "${name}" does not exist any more`,
        })),
      ),
    );
  }

  async #check(principal: Principal, name: string, body: unknown): Promise<Refused | undefined> {
    const report = new Report();
    token(name, '/name', report);
    if (BUILT_IN.has(name)) {
      report.add('/name', 'reserved_name', `"${name}" is the name of a built-in agent`);
    }
    guardJson(body, report);
    bodyShape(body, '', report);
    if (isRecord(body) && !report.violations.some(({ code }) => code === 'too_deep')) {
      for (const field of ['input_schema', 'output_schema']) {
        if ((body[field] ?? null) === null) continue;
        if (Buffer.byteLength(JSON.stringify(body[field])) > MAX_SCHEMA_BYTES) {
          report.add(`/${field}`, 'too_long', `must have at most ${MAX_SCHEMA_BYTES} bytes`);
          continue;
        }
        try {
          for (const { path, code, message } of await this.#sandbox.checkSchema(body[field], {
            timeoutMs: 2_000,
            tenantId: principal.tenantId,
          })) {
            report.add(`/${field}${path}`, code, message);
          }
        } catch (error) {
          if (error instanceof SandboxBusyError) return refuse('unavailable', error.message);
          throw error;
        }
      }
    }
    return report.total === 0 ? undefined : invalid('The agent', report.violations, report.total);
  }
}

function jsonOrNull(schema: JsonValue | undefined): string | null {
  return schema === undefined ? null : JSON.stringify(schema);
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

/** A user's description of an agent, in the form of a PUT. */
function bodyOf({ pool, description, inputSchema, outputSchema }: AgentEntity): Record<string, unknown> {
  return {
    pool,
    description,
    ...(inputSchema === null ? {} : { input_schema: inputSchema }),
    ...(outputSchema === null ? {} : { output_schema: outputSchema }),
  };
}

const tagged = (agent: AgentEntity): { etag: string; version: number } => {
  const shown = toAgent(agent);
  return { etag: etagOf(shown, shown.revision), version: shown.revision };
};

const replyOf = (agent: Agent): AgentReply => ({ agent, etag: etagOf(agent, agent.revision) });

/** For built-in agents the runner itself checks inputs against the schemas, so the engine does not. */
function builtIn(agent: AgentDescription, tenantId: string): Agent {
  return { ...agent, pool: DEFAULT_POOL, builtIn: true, revision: 1, updatedAt: 0, tenantId };
}

function toAgent(agent: AgentEntity): Agent {
  return {
    name: agent.name,
    pool: agent.pool,
    description: agent.description,
    builtIn: false,
    revision: agent.revision,
    updatedAt: agent.updatedAt.getTime(),
    tenantId: agent.tenantId,
    ...(agent.inputSchema === null || agent.inputSchema === undefined
      ? {}
      : { inputSchema: agent.inputSchema as JsonValue }),
    ...(agent.outputSchema === null || agent.outputSchema === undefined
      ? {}
      : { outputSchema: agent.outputSchema as JsonValue }),
  };
}
