import { BUILT_IN_AGENTS, objectOf, TOKEN_SCHEMA } from '@batuta/contracts';
import type { AgentLlm, JsonObject, JsonValue } from '@batuta/contracts';
import { Report, documentCheck, guardJson, isRecord } from '@batuta/documents';
import { Sandbox, SandboxBusyError } from '@batuta/sandbox';
import { Injectable } from '@nestjs/common';
import { invalid, refuse } from '../access/refusals.js';
import type { Refused } from '../access/refusals.js';
import { textField } from '../access/requests.js';
import { DefinitionCheck } from '../definitions/definition-check.js';

const BUILT_IN: ReadonlySet<string> = new Set(BUILT_IN_AGENTS);
const MAX_SCHEMA_BYTES = 128 * 1024;

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

/** Checks what users say of agents. */
@Injectable()
export class AgentCheck {
  readonly #sandbox: Sandbox;
  readonly #checks: DefinitionCheck;

  constructor(sandbox: Sandbox, checks: DefinitionCheck) {
    this.#sandbox = sandbox;
    this.#checks = checks;
  }

  async check(tenantId: string, name: string, body: unknown): Promise<AgentBody | Refused> {
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
        await this.#checkSchemas(tenantId, body, report);
        // What no stored JSON may hold is reported already, and a step cannot have a name that an agent cannot have.
        const known = report.violations.some(({ path, code }) => path === '/name' || UNSTORABLE_CODES.has(code));
        if (isRecord(llm) && !known) {
          const checked = await this.#checks.check(tenantId, documentOf(name, llm));
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
