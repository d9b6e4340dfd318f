import { BUILT_IN_AGENT_DESCRIPTIONS, preconditionRefusal } from '@batuta/contracts';
import type {
  AgentDescription,
  AgentLlm,
  AgentReply,
  JsonValue,
  ListAgentsReply,
  Preconditions,
  Principal,
} from '@batuta/contracts';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { ConfigRows } from '../database/data-source.js';
import { invalid, isRefused, refuse, RefusedError } from '../access/refusals.js';
import { findable, textField } from '../access/requests.js';
import { Changes } from '../changes.js';
import { Report, guardJson } from '@batuta/documents';
import { mergePatch } from '../json/merge-patch.js';
import { AgentCheck } from './agent-check.js';
import { refuseUsed } from './agent-uses.js';
import { AgentEntity } from './agent.entity.js';
import { bodyOf, builtIn, replyOf, tagged, toAgent } from './shown-agent.js';
import { MAX_AGENTS } from './known-agents.js';
import { PoolClaims } from './pool-claims.js';

const BUILT_IN: ReadonlyMap<string, AgentDescription> = new Map(
  BUILT_IN_AGENT_DESCRIPTIONS.map((agent) => [agent.name, agent]),
);
/** How many concurrent changes by others one patch tolerates. */
const PATCH_TRIES = 10;

/** The agents of each tenant besides the built-in ones: which pool or model they are, and the schemas of their data. */
@Injectable()
export class AgentRegistry {
  readonly #rows: ConfigRows;
  readonly #changes: Changes;
  readonly #pools: PoolClaims;
  readonly #checks: AgentCheck;

  constructor(rows: ConfigRows, changes: Changes, pools: PoolClaims, checks: AgentCheck) {
    this.#rows = rows;
    this.#changes = changes;
    this.#pools = pools;
    this.#checks = checks;
  }

  /** Makes or changes an agent. Each change raises its revision by one. */
  async put(principal: Principal, name: unknown, body: unknown, preconditions?: Preconditions): Promise<AgentReply> {
    const checked = await this.#checks.check(principal.tenantId, textField(name), body);
    if (isRefused(checked)) return checked;
    const { tenantId } = principal;
    const agent = textField(name);
    const { pool, description, input, output, llm, uses } = checked;
    const work = this.#rows.of(tenantId).transaction(async (manager): Promise<AgentReply> => {
      // Counted under a lock of the tenant, so that two concurrent requests cannot exceed the limit.
      await manager.query('SELECT id FROM config.tenants WHERE id = $1 FOR UPDATE', [tenantId]);
      // Before the agent's row is locked: a transaction that waits for the pool must not hold a lock that the pool's
      // holder needs.
      await this.#pools.claim(manager, tenantId, pool);
      await this.lock(manager, tenantId, uses);
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
        `INSERT INTO config.agents AS a (tenant_id, name, pool, description, input_schema, output_schema, llm, uses, revision)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1)
         ON CONFLICT (tenant_id, name) DO UPDATE SET pool = excluded.pool, description = excluded.description,
           input_schema = excluded.input_schema, output_schema = excluded.output_schema,
           llm = excluded.llm, uses = excluded.uses, revision = a.revision + 1, updated_at = now()`,
        [tenantId, agent, pool, description, jsonOrNull(input), jsonOrNull(output), jsonOrNull(llm), uses],
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
      select: {
        tenantId: true,
        name: true,
        pool: true,
        description: true,
        configId: true,
        revision: true,
        updatedAt: true,
      },
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
        await refuseUsed(manager, tenantId, agent);
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
}

function jsonOrNull(value: JsonValue | AgentLlm | undefined): string | null {
  return value === undefined ? null : JSON.stringify(value);
}
