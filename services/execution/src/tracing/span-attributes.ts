import type { StepCompleted } from '@batuta/contracts';
import type { FinishedSpan } from '@batuta/observability';
import type { CompiledConfig } from '../domain/index.js';

export type Attributes = NonNullable<FinishedSpan['attributes']>;
export type Unit = CompiledConfig['units'][number];

/** The model's name of a tool. Units are `<step>:<tool>:<number>`. */
const toolName = (place: string): string => place.split(':').at(-2) ?? place;

/** The names of conversations and tool calls in the GenAI conventions. */
export function stepSpanName(stepId: string, unit: Unit | undefined): string {
  if (unit?.kind === 'tool') return `execute_tool ${toolName(stepId)}`;
  if (unit?.kind === 'lane') return `items ${stepId}`;
  return unit?.work.kind === 'llm' ? `invoke_agent ${stepId}` : `step ${stepId}`;
}

export function usage(tokens: number, cost: number): Attributes {
  return {
    ...(tokens > 0 ? { 'batuta.tokens': tokens } : {}),
    ...(cost > 0 ? { 'batuta.cost': cost } : {}),
  };
}

/** Attributes of the GenAI semantic conventions, for an agent that reports its spending. */
export function genAi(agent: string, result: Partial<StepCompleted> | undefined): Attributes {
  const { tokenCount = 0, inputTokens, outputTokens, estimatedCost = 0 } = result ?? {};
  if (tokenCount === 0) return usage(0, estimatedCost);
  return {
    'gen_ai.operation.name': 'invoke_agent',
    'gen_ai.agent.name': agent,
    ...(inputTokens === undefined ? {} : { 'gen_ai.usage.input_tokens': inputTokens }),
    ...(outputTokens === undefined ? {} : { 'gen_ai.usage.output_tokens': outputTokens }),
    ...usage(tokenCount, estimatedCost),
  };
}

/** Attributes of the GenAI conventions: for a conversation with a model, and for each of its tool calls. */
export function genAiOfStep(
  executionId: string,
  stepId: string,
  unit: Unit | undefined,
  callId: string | undefined,
): Attributes {
  if (unit?.kind === 'tool') {
    return {
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': toolName(stepId),
      'gen_ai.tool.type': 'function',
      ...(callId === undefined ? {} : { 'gen_ai.tool.call.id': callId }),
      'gen_ai.conversation.id': executionId,
    };
  }
  if (unit?.work.kind !== 'llm') return {};
  return {
    'gen_ai.operation.name': 'invoke_agent',
    'gen_ai.agent.name': stepId,
    'gen_ai.conversation.id': executionId,
  };
}
