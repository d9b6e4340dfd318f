import type { JsonObject, JsonValue } from '@batuta/contracts';
import { DEFAULT_RUN_SCHEMA } from './run-schemas.js';
import type { Tool } from '@modelcontextprotocol/server';
import { isJsonObject } from '../dto/checked.js';
import type { RestAnswer, RestCaller, RestCalls, RestRequest } from './rest-calls.js';
import { nameOfSlug, slugOf } from './run-names.js';

const CONFIG = 'run_';
const AGENT = 'agent_';
const CONFIGS = '/api/v1/orchestrations/configs';
/** Configs in one page of tools. */
const PAGE = 100;
/** Pages in which a config whose name needs a hash is looked for. */
const MOST_PAGES = 50;

/** What a tool runs, and how it is started. */
export interface Runnable {
  readonly tool: Tool;
  /** The start. `key` makes a repeat of the same call start nothing. */
  start(input: JsonObject, key: string | undefined): RestRequest;
}

export interface RunnablePage {
  readonly tools: readonly Runnable[];
  readonly nextCursor: string | undefined;
}

/** A refusal of the API while tools are read. */
export class RefusedReading extends Error {
  override readonly name = 'RefusedReading';

  constructor(readonly answer: RestAnswer) {
    super('reading the tools was refused');
  }
}

/** The configs and agents of a tenant as tools. */
export class RunTools {
  readonly #rest: RestCalls;

  constructor(rest: RestCalls) {
    this.#rest = rest;
  }

  /** The first page has the agents too. @throws RefusedReading. */
  async page(caller: RestCaller, cursor: string | undefined): Promise<RunnablePage> {
    const [configs, agents] = await Promise.all([
      this.#configs(caller, cursor),
      cursor === undefined ? this.#agents(caller) : [],
    ]);
    return { tools: [...agents, ...configs.found.flatMap((config) => runnableConfig(config) ?? [])], ...configs.next };
  }

  /** The config or agent that a tool's name stands for. @throws RefusedReading. */
  async find(caller: RestCaller, toolName: string): Promise<Runnable | undefined> {
    if (toolName.startsWith(CONFIG)) return this.#findConfig(caller, toolName.slice(CONFIG.length));
    if (!toolName.startsWith(AGENT)) return undefined;
    return (await this.#agents(caller)).find(({ tool }) => tool.name === toolName);
  }

  async #findConfig(caller: RestCaller, slug: string): Promise<Runnable | undefined> {
    const name = nameOfSlug(slug);
    if (name !== undefined) {
      const answer = await this.#rest.call(caller, { method: 'GET', url: `${CONFIGS}/${encodeURIComponent(name)}` });
      if (!answer.ok && answer.body?.['code'] !== 'not_found') throw new RefusedReading(answer);
      // An id would be found too, but it is no name of a tool.
      return answer.ok && answer.body?.['name'] === name ? runnableConfig(answer.body) : undefined;
    }
    let cursor: string | undefined;
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const { found, next } = await this.#configs(caller, cursor);
      const config = found.find(({ name: each }) => typeof each === 'string' && slugOf(each) === slug);
      if (config !== undefined) return runnableConfig(config);
      cursor = next.nextCursor;
      if (cursor === undefined) return undefined;
    }
    return undefined;
  }

  async #configs(
    caller: RestCaller,
    cursor: string | undefined,
  ): Promise<{ readonly found: readonly JsonObject[]; readonly next: { readonly nextCursor: string | undefined } }> {
    const query = new URLSearchParams({ limit: String(PAGE), ...(cursor === undefined ? {} : { cursor }) });
    const answer = await this.#rest.call(caller, { method: 'GET', url: `${CONFIGS}?${query.toString()}` });
    if (!answer.ok) throw new RefusedReading(answer);
    const { configs, next_cursor: next } = answer.body ?? {};
    return {
      found: (Array.isArray(configs) ? configs : []).filter((config) => isJsonObject(config)),
      next: { nextCursor: typeof next === 'string' ? next : undefined },
    };
  }

  async #agents(caller: RestCaller): Promise<readonly Runnable[]> {
    const answer = await this.#rest.call(caller, { method: 'GET', url: '/api/v1/agents' });
    if (!answer.ok) throw new RefusedReading(answer);
    const { agents } = answer.body ?? {};
    return (Array.isArray(agents) ? agents : []).flatMap((agent) => runnableAgent(agent as JsonObject) ?? []);
  }
}

interface Input {
  readonly schema: Tool['inputSchema'];
  /** Whether the arguments are the field `input` of an object, because an input of another type is wanted. */
  readonly wrapped: boolean;
}

/** The arguments of a tool are always an object, and an input may be anything. */
function inputOf(schema: JsonValue | undefined): Input {
  if (schema === undefined || schema === null) return { schema: { type: 'object' }, wrapped: false };
  const plain = isJsonObject(schema) && schema['type'] === 'object';
  return plain
    ? { schema: schema as Tool['inputSchema'], wrapped: false }
    : { schema: { type: 'object', properties: { input: schema }, required: ['input'] }, wrapped: true };
}

/** Undefined for a config that the platform keeps for a task, and for one that says `metadata: {mcp: false}`. */
function runnableConfig(config: JsonObject): Runnable | undefined {
  const { name, description, input_schema: schema, metadata } = config;
  const said = isJsonObject(metadata) ? metadata : {};
  if (typeof name !== 'string' || said['mcp'] === false || said['batuta'] !== undefined) return undefined;
  const { schema: inputSchema, wrapped } = inputOf(schema);
  return {
    tool: {
      name: `${CONFIG}${slugOf(name)}`,
      title: name,
      description: `Runs the orchestration "${name}". ${typeof description === 'string' ? description : ''}`.trim(),
      inputSchema,
      outputSchema: DEFAULT_RUN_SCHEMA,
    },
    start: (args, key) => ({
      method: 'POST',
      url: `/api/v1/orchestrations/execute/${encodeURIComponent(name)}`,
      body: wrapped ? { input: args['input'] ?? null } : { input: args },
      idempotencyKey: key,
    }),
  };
}

/** Undefined for an agent whose input has a field `type`: in a task, this field names the agent. */
function runnableAgent(agent: JsonObject): Runnable | undefined {
  const { name, description, input_schema: schema } = agent;
  if (typeof name !== 'string') return undefined;
  const { schema: inputSchema, wrapped } = inputOf(schema);
  if (wrapped || Object.hasOwn(inputSchema.properties ?? {}, 'type')) return undefined;
  return {
    tool: {
      name: `${AGENT}${slugOf(name)}`,
      title: name,
      description: `Runs the agent "${name}" as a task. ${typeof description === 'string' ? description : ''}`.trim(),
      inputSchema,
      outputSchema: DEFAULT_RUN_SCHEMA,
    },
    start: (args, key) => ({
      method: 'POST',
      url: '/api/v1/tasks',
      // The agent's name comes last, so that no argument can replace it.
      body: { ...(key === undefined ? {} : { task_id: key }), task_data: { ...args, type: name } },
      idempotencyKey: key,
    }),
  };
}
