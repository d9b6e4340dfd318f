import { isoTime, WORK_QUERIES } from '@batuta/contracts';
import type { Idempotency, JsonObject, JsonValue, Preconditions, Principal } from '@batuta/contracts';
import type { FastifyReply } from 'fastify';
import type { AcceptedStart } from '../executions/execution-starter.js';
import { createdAt, tagged } from '../http/headers.js';
import { executionIdOf } from '../http/ids.js';
import { Problem } from '../http/problem.js';
import { parseQuery } from '../http/query.js';
import { admittedHeaders } from '../http/rate-limit.js';
import { shownCursor } from '../http/shown.js';
import { shownRun, workStatusOf } from './shown-runs.js';
import type { Said } from './steps.js';
import type { Kept, Work } from './work.js';

/** What differs between workflows and processes, besides how they are started and controlled. */
interface KeptKind {
  readonly keptFor: 'workflow' | 'process';
  readonly plural: 'workflows' | 'processes';
  /** What a run has, one after the other. */
  readonly entries: 'tasks' | 'steps';
  /** The last part of its path. */
  idOf(kept: Kept): string;
  /** @throws Problem validation_failed. */
  read(body: JsonValue): Said;
  /** The first fields of an answer. */
  shown(kept: Kept): JsonObject;
}

/** What the routes of workflows and of processes have in common: both are configs, and their runs are executions. */
export class KeptRoutes {
  readonly #work: Work;
  readonly #kind: KeptKind;

  constructor(work: Work, kind: KeptKind) {
    this.#work = work;
    this.#kind = kind;
  }

  async create(
    principal: Principal,
    body: JsonValue,
    query: unknown,
    idempotency: Idempotency | undefined,
    reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const { keptFor } = this.#kind;
    const { kept, repeated } = await this.#work.create(principal, keptFor, this.#kind.read(body), idempotency);
    createdAt(reply, this.#pathOf(kept));
    const shown = await this.#shown(principal, kept);
    return tagged(reply, kept.etag, repeated ? { ...shown, repeated } : shown);
  }

  async list(principal: Principal, raw: unknown): Promise<JsonObject> {
    const { limit, cursor } = parseQuery(WORK_QUERIES.list, raw);
    const { kept, nextCursor } = await this.#work.list(principal, this.#kind.keptFor, { limit, cursor });
    const shown = await Promise.all(kept.map((each) => this.#shown(principal, each)));
    return { [this.#kind.plural]: shown, next_cursor: shownCursor(nextCursor) };
  }

  async get(principal: Principal, id: string, query: unknown, reply: FastifyReply): Promise<JsonObject> {
    parseQuery({}, query);
    const kept = await this.find(principal, id);
    return tagged(reply, kept.etag, await this.#shown(principal, kept));
  }

  async update(
    principal: Principal,
    id: string,
    body: JsonValue,
    query: unknown,
    preconditions: Preconditions | undefined,
    reply: FastifyReply,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const kept = await this.#work.update(principal, this.#kind.keptFor, id, this.#kind.read(body), preconditions);
    return tagged(reply, kept.etag, await this.#shown(principal, kept));
  }

  async remove(
    principal: Principal,
    id: string,
    query: unknown,
    preconditions: Preconditions | undefined,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    return this.#shown(principal, await this.#work.remove(principal, this.#kind.keptFor, id, preconditions));
  }

  /** @throws Problem not_found. */
  find(principal: Principal, id: string): Promise<Kept> {
    return this.#work.find(principal, this.#kind.keptFor, id);
  }

  /** The answer to a start. */
  async started(
    principal: Principal,
    kept: Kept,
    { executionId, accepted }: { readonly executionId: string; readonly accepted: AcceptedStart },
    reply: FastifyReply,
  ): Promise<JsonObject> {
    if (accepted.admitted !== undefined) void reply.headers(admittedHeaders(accepted.admitted));
    void reply.header('location', `${this.#pathOf(kept)}/runs/${executionId}`);
    const shown = await this.#changed(principal, kept, executionId);
    return accepted.repeated === true ? { ...shown, repeated: true } : shown;
  }

  async newestRun(
    principal: Principal,
    kept: Kept,
  ): Promise<Awaited<ReturnType<Work['runs']>>['executions'][number] | undefined> {
    return (await this.#work.runs(principal, { configId: kept.config.id, limit: 1 })).executions[0];
  }

  /** Commands a run, and shows it afterwards. */
  async command(
    principal: Principal,
    kept: Kept,
    executionId: string,
    control: Parameters<Work['command']>[2],
    key: string | undefined,
  ): Promise<JsonObject> {
    const repeated = await this.#work.command(principal, executionId, control, key);
    const shown = await this.#changed(principal, kept, executionId);
    return repeated ? { ...shown, repeated } : shown;
  }

  async runs(principal: Principal, id: string, raw: unknown): Promise<JsonObject> {
    const { limit, cursor } = parseQuery(WORK_QUERIES.list, raw);
    const { config } = await this.find(principal, id);
    const { views, nextCursor } = await this.#work.page(principal, { configId: config.id, limit, cursor });
    const runs = views.map((view) => shownRun(view, this.#kind.entries, this.#runsOf(id)));
    return { runs, next_cursor: shownCursor(nextCursor) };
  }

  async run(principal: Principal, id: string, run: string, query: unknown): Promise<JsonObject> {
    parseQuery({}, query);
    return this.#run(principal, await this.find(principal, id), executionIdOf(run));
  }

  async #run(principal: Principal, { config }: Kept, executionId: string): Promise<JsonObject> {
    const view = await this.#work.view(principal, executionId);
    if (view?.configId !== config.id) throw new Problem('not_found', `The ${this.#kind.keptFor} has no such run.`);
    return shownRun(view, this.#kind.entries);
  }

  /** A run that was started or commanded just now. Large outputs are not read again for that. */
  async #changed(principal: Principal, kept: Kept, executionId: string): Promise<JsonObject> {
    const view = await this.#work.view(principal, executionId, 'listed');
    if (view === undefined) throw new Problem('not_found', `The ${this.#kind.keptFor} has no such run.`);
    return shownRun(view, this.#kind.entries, this.#runsOf(this.#kind.idOf(kept)));
  }

  #runsOf(id: string): string {
    return `/api/v1/${this.#kind.plural}/${encodeURIComponent(id)}/runs`;
  }

  async #shown(principal: Principal, kept: Kept): Promise<JsonObject> {
    const { config, mark } = kept;
    const newest = await this.newestRun(principal, kept);
    const status = newest === undefined ? 'PENDING' : workStatusOf(newest.status);
    return {
      ...this.#kind.shown(kept),
      config: { continue_on_error: mark.continue_on_error },
      status,
      version: config.version,
      created_by: config.ownerId,
      created_at: isoTime(config.createdAt),
      updated_at: isoTime(config.updatedAt),
      last_run: newest === undefined ? null : { id: newest.id, status, created_at: isoTime(newest.createdAt) },
    };
  }

  #pathOf(kept: Kept): string {
    return `/api/v1/${this.#kind.plural}/${this.#kind.idOf(kept)}`;
  }
}
