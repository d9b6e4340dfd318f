import {
  BUILT_IN_AGENT_DESCRIPTIONS,
  DEFAULT_POOL,
  etagOf,
  preconditionRefusal,
  objectOf,
  TOKEN_SCHEMA,
} from '@batuta/contracts';
import type {
  Agent,
  AgentDescription,
  AgentLlm,
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
import { invalid, isRefused, refuse, RefusedError } from '../access/refusals.js';
import type { Refused } from '../access/refusals.js';
import { findable, textField } from '../access/requests.js';
import { Changes } from '../changes.js';
import { Report, documentCheck, guardJson, isRecord } from '@batuta/documents';
import { mergePatch } from '../json/merge-patch.js';
import { DefinitionCheck } from '../definitions/definition-check.js';
import { AgentEntity } from './agent.entity.js';
import { MAX_AGENTS } from './known-agents.js';
import { PoolClaims } from './pool-claims.js';

const BUILT_IN: ReadonlyMap<string, AgentDescription> = new Map(
  BUILT_IN_AGENT_DESCRIPTIONS.map((agent) => [agent.name, agent]),
);
const MAX_SCHEMA_BYTES = 128 * 1024;
/** How many concurrent changes by others one patch tolerates. */
const PATCH_TRIES = 10;
/** How many configs a refusal names. */
const NAMED_CONFIGS = 20;

const token = documentCheck(TOKEN_SCHEMA);
const bodyShape = documentCheck(
  objectOf('What is said of an agent.', {
    pool: TOKEN_SCHEMA,
    llm: { type: 'object' },
    description: { type: 'string', maxLength: 2000 },
    input_schema: {},
    output_schema: {},
  }),
);

/** What a user says of an agent, once it was checked. */
interface AgentBody {
  readonly pool: string;
  readonly description: string;
  readonly input: JsonValue | undefined;
  readonly output: JsonValue | undefined;
  readonly llm: AgentLlm | undefined;
  /** Agents of the registry that its model may call. */
  readonly uses: readonly string[];
}

/** The agents of each tenant besides the built-in ones: which pool or model they are, and the schemas of their data. */
@Injectable()
export class AgentRegistry {
  readonly #rows: ConfigRows;
  readonly #sandbox: Sandbox;
  readonly #changes: Changes;
  readonly #pools: PoolClaims;
  readonly #checks: DefinitionCheck;

  constructor(rows: ConfigRows, sandbox: Sandbox, changes: Changes, pools: PoolClaims, checks: DefinitionCheck) {
    this.#rows = rows;
    this.#sandbox = sandbox;
    this.#changes = changes;
    this.#pools = pools;
    this.#checks = checks;
  }

  /** Makes or changes an agent. Each change raises its revision by one. */
  async put(principal: Principal, name: unknown, body: unknown, preconditions?: Preconditions): Promise<AgentReply> {
    const checked = await this.#check(principal, textField(name), body);
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

  async #check(principal: Principal, name: string, body: unknown): Promise<AgentBody | Refused> {
    const report = new Report();
    token(name, '/name', report);
    if (BUILT_IN.has(name)) {
      report.add('/name', 'reserved_name', `"${name}" is the name of a built-in agent`);
    }
    guardJson(body, report);
    bodyShape(body, '', report);
    const given = (isRecord(body) ? bodyShape.withoutNulls(body) : {}) as Record<string, JsonValue>;
    const { pool, llm, input_schema: input, output_schema: output } = given;
    if (isRecord(body) && pool === undefined && llm === undefined) {
      report.add('/pool', 'required', 'pool is required, or llm in its place');
    } else if (pool !== undefined && llm !== undefined) {
      report.add('/llm', 'contradiction', 'an agent is served by a pool or made of a model, not both');
    }
    if (llm !== undefined && output !== undefined) {
      report.add('/output_schema', 'contradiction', 'what a model answers is said by llm.output_schema');
    }
    let uses: readonly string[] = [];
    let said: AgentLlm | undefined;
    if (isRecord(body) && !report.violations.some(({ code }) => code === 'too_deep')) {
      try {
        await this.#checkSchemas(principal.tenantId, body, report);
        // What no stored JSON may hold is reported already, and a step cannot have a name that an agent cannot have.
        const known = report.violations.some(({ path, code }) => path === '/name' || UNSTORABLE_CODES.has(code));
        if (isRecord(llm) && !known) {
          const checked = await this.#checks.check(principal.tenantId, documentOf(name, llm));
          if (checked.ok) {
            uses = checked.agents;
            said = { ...(checked.definition.steps[0]?.llm as AgentLlm) };
            if (llm['prompt'] === undefined) delete said.prompt;
          } else {
            for (const { path, code, message } of checked.violations) {
              report.add(path.replace(/^\/steps\/0/, ''), code, message);
            }
          }
        }
      } catch (error) {
        if (error instanceof SandboxBusyError) return refuse('unavailable', error.message);
        throw error;
      }
    }
    if (report.total > 0) return invalid('The agent', report.violations, report.total);
    const { description = '' } = given;
    return { pool: textField(pool ?? ''), description: textField(description), input, output, llm: said, uses };
  }

  async #checkSchemas(tenantId: string, body: Readonly<Record<string, unknown>>, report: Report): Promise<void> {
    for (const field of ['input_schema', 'output_schema']) {
      if ((body[field] ?? null) === null) continue;
      if (Buffer.byteLength(JSON.stringify(body[field])) > MAX_SCHEMA_BYTES) {
        report.add(`/${field}`, 'too_long', `must have at most ${MAX_SCHEMA_BYTES} bytes`);
        continue;
      }
      for (const { path, code, message } of await this.#sandbox.checkSchema(body[field], {
        timeoutMs: 2_000,
        tenantId,
      })) {
        report.add(`/${field}${path}`, code, message);
      }
    }
  }
}

/** Mistakes of `guardJson`, which the check of a definition would report once more. */
const UNSTORABLE_CODES = new Set(['invalid_character', 'forbidden_key', 'too_deep']);

/** The config of an agent's executions, as it is checked: a model that is told nothing else is asked the agent's input. */
function documentOf(name: string, llm: Readonly<Record<string, unknown>>): JsonObject {
  const asked = llm['prompt'] === undefined && llm['messages'] === undefined;
  const step = { id: 'answer', name, llm: asked ? { ...llm, prompt: '{% input %}' } : llm };
  return { name: 'agent', strategy: 'sequential', steps: [step as JsonObject] };
}

function jsonOrNull(value: JsonValue | AgentLlm | undefined): string | null {
  return value === undefined ? null : JSON.stringify(value);
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

/** What a user says of an agent, as a PUT has it. */
function bodyOf({ pool, llm, description, inputSchema, outputSchema }: AgentEntity): Record<string, unknown> {
  return {
    ...(llm === null ? { pool } : { llm }),
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
    ...(agent.pool === '' ? { configId: agent.configId } : {}),
    ...(agent.llm === null || agent.llm === undefined ? {} : { llm: agent.llm as AgentLlm }),
  };
}
