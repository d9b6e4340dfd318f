import { BUILT_IN_AGENTS, LIMITS, operations, uuidV5 } from '@batuta/contracts';
import type {
  AgentReply,
  CommandRequest,
  Config,
  ConfigReply,
  Dependency,
  GetExecutionReply,
  GetExecutionRequest,
  ExecutionView,
  Idempotency,
  JsonObject,
  ListConfigsReply,
  ListExecutionsReply,
  Preconditions,
  Principal,
  ResolveConfigReply,
} from '@batuta/contracts';
import type { Backend } from '../backend/backend.js';
import type { TenantLimitGate } from '../backend/tenant-limits.js';
import type { Executions } from '../executions/executions.js';
import { commandIdOf, executionIdOfKey, isUuid, sha256, uuidV7 } from '../http/ids.js';
import { Problem, accepted, problemOfRefusal } from '../http/problem.js';
import { definitionOf, markOf, placed } from './steps.js';
import type { KeptFor, Mark, Said, Target, WorkStep } from './steps.js';
import { Turns } from '../backend/turns.js';

const BUILT_IN = new Set<string>(BUILT_IN_AGENTS);
/** Tries to find or make a config. Another request may make it meanwhile, and then it is looked up again. */
const TRIES = 3;

/** How many executions of a list are read at a time. The limit holds for all requests of a tenant together. */
const READ_TOGETHER = 4;
const TURNS = new Turns(READ_TOGETHER);
/** How many agents and configs one workflow or process may name, because saving looks each of them up. */
const MOST_TYPES = 100;
/** A page of executions ends after this many bytes. */
const PAGE_BYTES = 4 * 1024 * 1024;

/** A stored workflow or process, with the config that it is. */
export interface Kept {
  readonly config: Config;
  readonly etag: string | undefined;
  readonly name: string;
  readonly mark: Mark;
}

/** How many dependents, and pending runs of them, a first run tells at once. */
const MOST_ASKED = 200;

/** The id of the first run of a process. It is known before the run exists, so that others can wait for it. */
const firstRunOf = (configId: string): string => uuidV5(configId, 'first run');

/** The part of the idempotency key that the first run of a process keeps, so that it recognises a repeat. */
export const startedUnder = (key: string): string => sha256(key).slice(0, 32);

/** The requests of workflows, processes and tasks to the config service and the engine. They are configs and executions with other names. */
export class Work {
  readonly #backend: Backend;
  readonly #executions: Executions;
  readonly #limits: TenantLimitGate;

  constructor(backend: Backend, executions: Executions, limits: TenantLimitGate) {
    this.#backend = backend;
    this.#executions = executions;
    this.#limits = limits;
  }

  /** @throws Problem of the refusal, with places in the body that the config was made from. */
  async create(
    principal: Principal,
    keptFor: KeptFor,
    said: Said,
    idempotency: Idempotency | undefined,
  ): Promise<{ readonly kept: Kept; readonly repeated: boolean }> {
    const definition = await this.#definition(principal, keptFor, said);
    const asked = { principal, definition, idempotency, keptFor };
    const reply = await this.#backend.ask<ConfigReply>(operations.configs.create.subject, asked);
    return { kept: this.#kept(keptFor, reply, said), repeated: reply.repeated === true };
  }

  async update(
    principal: Principal,
    keptFor: KeptFor,
    id: string,
    said: Said,
    preconditions: Preconditions | undefined,
  ): Promise<Kept> {
    const found = await this.find(principal, keptFor, id);
    const definition = await this.#definition(principal, keptFor, said);
    const asked = { principal, id: found.config.id, definition, preconditions, keptFor };
    const reply = await this.#backend.ask<ConfigReply>(operations.configs.update.subject, asked);
    return this.#kept(keptFor, reply, said);
  }

  async remove(
    principal: Principal,
    keptFor: KeptFor,
    id: string,
    preconditions: Preconditions | undefined,
  ): Promise<Kept> {
    const found = await this.find(principal, keptFor, id);
    const asked = { principal, id: found.config.id, preconditions, keptFor };
    return this.#kept(keptFor, await this.#backend.ask<ConfigReply>(operations.configs.delete.subject, asked));
  }

  /** By id or name. @throws Problem not_found. */
  async find(principal: Principal, keptFor: KeptFor, idOrName: string): Promise<Kept> {
    const id = isUuid(idOrName.toLowerCase()) ? idOrName.toLowerCase() : `${keptFor}:${idOrName}`;
    const reply = await this.#backend.ask<ConfigReply>(operations.configs.get.subject, { principal, id });
    const { config, refused } = reply;
    const isThere = config !== undefined && markOf(config.definition)?.kept_for === keptFor;
    if (refused?.code === 'not_found' || (refused === undefined && !isThere)) {
      throw new Problem('not_found', `There is no such ${keptFor}.`);
    }
    return this.#kept(keptFor, reply);
  }

  async list(
    principal: Principal,
    keptFor: KeptFor,
    { limit, cursor }: { readonly limit: number; readonly cursor: string | undefined },
  ): Promise<{ readonly kept: readonly Kept[]; readonly nextCursor: string | undefined }> {
    const asked = { principal, limit, cursor, keptFor };
    const { configs, nextCursor } = accepted(
      await this.#backend.ask<ListConfigsReply>(operations.configs.list.subject, asked),
    );
    const marked = configs.filter(({ definition }) => markOf(definition)?.kept_for === keptFor);
    return { kept: marked.map((config) => this.#kept(keptFor, { config })), nextCursor };
  }

  /** The id of the config that runs an agent or a config once. It is made if it does not exist yet. */
  async configOfTask(principal: Principal, step: WorkStep): Promise<string> {
    for (let tried = 1; ; tried++) {
      const id = `task:${step.type}`;
      const found = await this.#backend.ask<ConfigReply>(operations.configs.get.subject, { principal, id });
      // A config of this name that somebody made by hand or shares with all would get the inputs of tasks.
      if (found.config !== undefined && markOf(found.config.definition)?.kept_for === 'task') return id;
      if (found.refused !== undefined && found.refused.code !== 'not_found') throw problemOfRefusal(found.refused);
      // The task's input is the input of its execution, not part of the config.
      const said = { name: step.type, steps: [{ ...step, config: undefined }], continueOnError: false };
      try {
        await this.create(principal, 'task', said, undefined);
      } catch (error) {
        if (!(error instanceof Problem && error.code === 'name_taken') || tried === TRIES) throw error;
      }
    }
  }

  /** Newest first; of one config, or of one session. */
  async runs(
    { tenantId }: Principal,
    by: {
      readonly configId?: string;
      readonly configName?: string;
      readonly sessionId?: string;
      readonly status?: readonly string[];
      readonly limit: number;
      readonly cursor?: string | undefined;
    },
  ): Promise<ListExecutionsReply> {
    return accepted(
      await this.#backend.ask<ListExecutionsReply>(operations.executions.list.subject, { tenantId, ...by }),
    );
  }

  /**
   * A page of executions with their steps and small payloads. Executions that were deleted meanwhile are left out. A few are read at a time,
   * and the page ends early when it grows too large, because whole views of many large executions at once stopped the platform.
   */
  async page(
    principal: Principal,
    by: Parameters<Work['runs']>[1],
    isWanted: (execution: ListExecutionsReply['executions'][number]) => boolean = () => true,
  ): Promise<{ readonly views: readonly ExecutionView[]; readonly nextCursor: string | undefined }> {
    const views: ExecutionView[] = [];
    let { cursor } = by;
    for (let [left, bytes] = [by.limit, 0]; left > 0 && bytes < PAGE_BYTES; left -= READ_TOGETHER) {
      const limit = Math.min(READ_TOGETHER, left);
      const { executions, nextCursor } = await this.runs(principal, { ...by, limit, cursor });
      const ids = executions.filter(isWanted).map(({ id }) => id);
      const read = (id: string) => TURNS.take(principal.tenantId, () => this.view(principal, id, 'listed'));
      for (const view of await Promise.all(ids.map(read))) {
        if (view === undefined) continue;
        views.push(view);
        bytes += Buffer.byteLength(JSON.stringify(view));
      }
      cursor = nextCursor === '' ? undefined : nextCursor;
      if (cursor === undefined) break;
    }
    return { views, nextCursor: cursor };
  }

  /** Undefined when it does not exist, or does not exist any more. */
  async view({ tenantId }: Principal, executionId: string, payloads?: 'listed'): Promise<ExecutionView | undefined> {
    try {
      return await this.#executions.view(tenantId, { executionId }, payloads === undefined ? {} : { payloads });
    } catch (error) {
      const isGone = error instanceof Problem && (error.code === 'not_found' || error.code === 'execution_deleted');
      if (isGone) return undefined;
      throw error;
    }
  }

  /**
   * The executions that a run of a process waits for: the newest runs of its dependencies. If a dependency was never started, the run waits
   * for the id that its first run will have.
   */
  async dependenciesOf(principal: Principal, { mark }: Kept): Promise<Dependency[] | undefined> {
    if (mark.after.length === 0) return undefined;
    return Promise.all(
      mark.after.map(async ({ process, on }) => {
        const { config } = await this.find(principal, 'process', process);
        const newest = (await this.runs(principal, { configId: config.id, limit: 1 })).executions[0];
        return { executionId: newest?.id ?? firstRunOf(config.id), on, process };
      }),
    );
  }

  /**
   * Checks that no execution that a first run would wait for waits for that run itself. This can happen, although no circle was ever saved,
   * if the dependencies of processes were changed between their starts. Nobody can wait for the id of a later run before it exists.
   * @throws Problem conflict.
   */
  async requireProgress(principal: Principal, executionId: string, after: readonly Dependency[] = []): Promise<void> {
    const open = after.map(({ executionId: id, process = '' }) => ({ id, process }));
    const seen = new Set<string>();
    for (let next = open.shift(); next !== undefined && seen.size < MOST_ASKED; next = open.shift()) {
      const { id, process } = next;
      if (seen.has(id)) continue;
      seen.add(id);
      const view = await this.view(principal, id, 'listed');
      if (view?.status !== 'pending') continue;
      const waits = (view.after ?? []).filter(({ state }) => state === 'waiting' || state === 'not_started');
      if (waits.some((each) => each.executionId === executionId)) {
        const message = `The newest run of process "${process}" waits for this one: cancel that run first.`;
        throw new Problem('conflict', message);
      }
      open.push(...waits.map((each) => ({ id: each.executionId, process: each.process ?? '' })));
    }
  }

  /** The id of a process's next run, and the executions that wait for it already if it is the first run. */
  async nextRun(
    principal: Principal,
    { config, name }: Kept,
    key: string | undefined,
  ): Promise<{
    readonly executionId: string;
    readonly isFirst: boolean;
    readonly waiters: readonly string[] | undefined;
  }> {
    const first = firstRunOf(config.id);
    const keyed = executionIdOfKey(principal.tenantId, `process ${config.id} ${key ?? ''}`);
    const later = { executionId: key === undefined ? uuidV7() : keyed, isFirst: false, waiters: undefined };
    if (await this.#wasDeleted(principal, first)) return later;
    const view = await this.view(principal, first, 'listed');
    if (view === undefined) {
      return { executionId: first, isFirst: true, waiters: await this.#waitersFor(principal, name) };
    }
    const isItsKey = key !== undefined && view.metadata?.['started_under'] === startedUnder(key);
    return isItsKey ? { executionId: first, isFirst: false, waiters: undefined } : later;
  }

  async #wasDeleted({ tenantId }: Principal, executionId: string): Promise<boolean> {
    const asked: GetExecutionRequest = { tenantId, executionId, payloads: 'listed' };
    const { refused } = await this.#backend.ask<GetExecutionReply>(operations.executions.get.subject, asked);
    return refused?.code === 'execution_deleted';
  }

  /** Tells the waiting executions at once. They would ask again by themselves, but later. */
  async #waitersFor(principal: Principal, process: string): Promise<readonly string[] | undefined> {
    const { kept } = await this.list(principal, 'process', { limit: MOST_ASKED, cursor: undefined });
    const dependents = kept.filter(({ mark }) => mark.after.some((each) => each.process === process));
    const pending = await Promise.all(
      dependents.map(({ config }) =>
        this.runs(principal, { configId: config.id, status: ['pending'], limit: MOST_ASKED }),
      ),
    );
    const ids = pending.flatMap(({ executions }) => executions.map(({ id }) => id)).slice(0, LIMITS.waiters);
    return ids.length === 0 ? undefined : ids;
  }

  /** Sends a command to an execution. Returns whether it had taken effect before. @throws Problem of the refusal. */
  async command(
    principal: Principal,
    executionId: string,
    control: Partial<Pick<CommandRequest, 'pause' | 'resume' | 'cancel' | 'retry' | 'reschedule'>>,
    key: string | undefined,
  ): Promise<boolean> {
    const { tenantId } = principal;
    const [what = ''] = Object.keys(control);
    const request = { executionId, ...control } as unknown as JsonObject;
    const commandId = commandIdOf(tenantId, key, { route: [executionId, what, null, null], request });
    if (control.retry !== undefined && this.#limits.limitsStarts(tenantId)) {
      await this.#limits.admit({ tenantId, commandId, executionId, start: false });
    }
    const reply = await this.#backend.command({ commandId, executionId, principal, ...control });
    if (reply.rejected !== undefined) throw problemOfRefusal(reply.rejected);
    return reply.accepted?.repeated === true;
  }

  #kept(keptFor: KeptFor, reply: ConfigReply, said: Pick<Said, 'steps' | 'after'> = { steps: [] }): Kept {
    const { refused } = reply;
    if (refused !== undefined) {
      const named = keptFor === 'process' ? 'id' : 'name';
      const violations = refused.violations?.map((each) => placed(each, said, named));
      const message = refused.message.replace(/config named "(workflow|process|task):/, '$1 named "');
      const shown = message.replace('The config', `The ${keptFor}`);
      throw problemOfRefusal({ ...refused, message: shown, ...(violations === undefined ? {} : { violations }) });
    }
    const { config, etag } = reply;
    if (config === undefined) throw new Error('the config service answered with no config');
    const mark = markOf(config.definition);
    if (mark === undefined) throw new Problem('not_found', `There is no such ${keptFor}.`);
    return { config, etag, name: config.definition.name.slice(keptFor.length + 1), mark };
  }

  async #definition(principal: Principal, keptFor: KeptFor, said: Said): Promise<JsonObject> {
    const types = new Set(said.steps.filter(({ isWorkflow }) => !isWorkflow).map(({ type }) => type));
    if (types.size > MOST_TYPES) {
      const message = `name ${types.size} agents and configs; at most ${MOST_TYPES} are allowed`;
      const errors = [{ path: keptFor === 'process' ? '/steps' : '/tasks', code: 'too_many' as const, message }];
      throw new Problem('validation_failed', `The ${keptFor} has one mistake.`, { errors });
    }
    const targets = new Map<string, Target>();
    for (const type of types) targets.set(type, await this.#target(principal, type));
    return definitionOf(keptFor, said.name, said, ({ type, isWorkflow }) => {
      if (!isWorkflow) return targets.get(type) ?? { agent: type };
      return { orchestration: { config: isUuid(type.toLowerCase()) ? type.toLowerCase() : `workflow:${type}` } };
    });
  }

  /** An agent comes before a config of the same name. A name that is neither is refused as an unknown agent. */
  async #target(principal: Principal, type: string): Promise<Target> {
    if (BUILT_IN.has(type)) return { agent: type };
    const { tenantId } = principal;
    const asked = { tenantId, name: type };
    const agent = await this.#backend.ask<AgentReply>(operations.agents.get.subject, asked);
    if (agent.refused === undefined) return { agent: type };
    const config = await this.#backend.ask<ResolveConfigReply>(operations.configs.resolve.subject, {
      tenantId,
      id: type,
    });
    return config.refused === undefined ? { orchestration: { config: type } } : { agent: type };
  }
}
