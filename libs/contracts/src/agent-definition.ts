import type { AgentLlm, OrchestrationDefinition } from './config.js';
import type { JsonValue } from './common.js';

/** Name of the config of an agent that is made of a model. */
function agentConfigName(agent: string): string {
  return `agent/${agent}`;
}

/** The step in which an agent that is made of a model works. */
const STEP = 'answer';

/**
 * The config of the executions in which an agent works that is made of a model. Its input is the agent's. An agent that says neither
 * `prompt` nor `messages` goes on with the `messages` of its input, if it has some, and is asked the input otherwise.
 */
export function definitionOfAgent(agent: {
  readonly name: string;
  readonly llm: AgentLlm;
  readonly inputSchema?: JsonValue | undefined;
}): OrchestrationDefinition {
  const { name, llm, inputSchema } = agent;
  const asked = llm.prompt === undefined && llm.messages === undefined;
  return {
    name: agentConfigName(name),
    strategy: 'sequential',
    steps: [{ id: STEP, name, llm: asked ? { ...llm, prompt: '{% input %}', messages: '{% input.messages %}' } : llm }],
    ...(inputSchema === undefined ? {} : { input_schema: inputSchema }),
  };
}
