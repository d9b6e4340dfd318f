import type { HandOver, JsonObject, JsonValue, Llm, LlmTool, StepDefinition } from '@batuta/contracts';
import type { ApprovalRules } from '../approval/rules.js';
import type { OrchestrationRules } from '../orchestration/rules.js';
import { parseExpression, parseTemplate, type Expression, type Template } from '../../expressions/expressions.js';
import type { Unit } from '../../graph/compiled.js';

const DEFAULT_MAX_TURNS = 10;
const DEFAULT_MAX_REPAIRS = 2;
const DEFAULT_PARALLEL = 4;
const DEFAULT_RESULT_BYTES = 65_536;

/** A tool of the config. */
export interface ToolRules {
  readonly name: string;
  /** Empty for a config, and for the tool that finishes the step. */
  readonly agent: string;
  /** Of which each call is an execution. */
  readonly config: OrchestrationRules | undefined;
  /** Calling it ends the step, and its input is the output. */
  readonly finishes: boolean;
  /** Calling it ends the step with what it gives; how much of the conversation it is handed. */
  readonly handOver: HandOver | undefined;
  /** Who decides about its calls. */
  readonly approval: (ApprovalRules & { readonly message: string }) | undefined;
  /** About which of them; undefined for all. */
  readonly condition: Expression | undefined;
  readonly parallel: number;
  readonly maxResultBytes: number;
}

/** A model is asked, and the tools that it requests are called, until it is done. */
export interface LlmRules {
  readonly model: string;
  readonly tools: ReadonlyMap<string, ToolRules>;
  readonly maxTurns: number;
  /** The last turn has no tools. */
  readonly answersAtLast: boolean;
  readonly maxRepairs: number;
  readonly hasSchema: boolean;
  /** The options of each call of the model, besides its messages. */
  readonly options: JsonObject;
}

/** Undefined for other steps. */
export function compileLlm({ llm }: StepDefinition): LlmRules | undefined {
  if (llm === undefined) return undefined;
  const tools = llm.tools ?? [];
  return {
    model: llm.model,
    tools: new Map(tools.map((tool) => [tool.name, toolRules(tool)])),
    maxTurns: llm.max_turns || DEFAULT_MAX_TURNS,
    answersAtLast: llm.on_max_turns === 'answer',
    maxRepairs: llm.max_repairs ?? DEFAULT_MAX_REPAIRS,
    hasSchema: llm.output_schema !== undefined,
    options: optionsOf(llm),
  };
}

export function toolRules(tool: LlmTool): ToolRules {
  const { name, agent, config, config_version: version, finish, parallel, max_result_bytes: bytes, approval } = tool;
  return {
    name,
    agent: finish === true ? '' : (agent ?? ''),
    config:
      config === undefined || finish === true
        ? undefined
        : { config, configVersion: version ?? 0, onParentClose: 'cancel' },
    finishes: finish === true,
    handOver: tool.hand_over,
    approval:
      approval === undefined
        ? undefined
        : {
            approvers: approval.approvers ?? [],
            timeoutMs: approval.timeout_ms ?? 0,
            approvesOnTimeout: approval.on_timeout === 'approve',
            message: approval.message || `May the model call "${name}"?`,
          },
    condition: approval?.when === undefined || approval.when === '' ? undefined : parseExpression(approval.when),
    parallel: tool.hand_over === undefined ? parallel || DEFAULT_PARALLEL : 1,
    maxResultBytes: bytes || DEFAULT_RESULT_BYTES,
  };
}

function optionsOf(llm: Llm): JsonObject {
  const { output_schema: schema, max_output_tokens: most, temperature, tool_choice: choice, tools = [] } = llm;
  return {
    model: llm.model,
    on_invalid: 'report',
    ...(schema === undefined ? {} : { output_schema: schema }),
    ...(most ? { max_output_tokens: most } : {}),
    ...(temperature === undefined ? {} : { temperature }),
    ...(choice === undefined || choice === '' ? {} : { tool_choice: choice }),
    ...(tools.length === 0 ? {} : { tools: tools.map(toolForModel) }),
  };
}

function toolForModel({ name, agent, config, description, input_schema: schema }: LlmTool): JsonObject {
  return {
    name,
    ...(agent === undefined ? {} : { agent }),
    ...(config === undefined ? {} : { config }),
    ...(description === undefined ? {} : { description }),
    ...(schema === undefined ? {} : { input_schema: schema }),
  };
}

/** The beginning of the conversation, evaluated once: `{system?, prompt? | messages?}`. */
export function llmMapping({ llm }: StepDefinition): Template {
  const { system, prompt, messages } = llm ?? {};
  const said: Record<string, JsonValue> = {
    ...(system === undefined ? {} : { system }),
    ...(prompt === undefined ? {} : { prompt }),
    ...(messages === undefined ? {} : { messages }),
  };
  return parseTemplate(said);
}

/** The rules of a step that asks a model. Undefined for any other step. */
export function llmOf({ work }: Pick<Unit, 'work'>): LlmRules | undefined {
  return work.kind === 'llm' ? work.rules : undefined;
}
