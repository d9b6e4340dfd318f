import { AgentSchema } from '@batuta/contracts';
import type { OpenApiPart } from '../openapi/openapi-part.js';
import { TOKENS_SCHEMA } from '../openapi/openapi-rules.js';
import { ref, listOf, nullable } from '../openapi/openapi-schema.js';

export const agentsPart: OpenApiPart = {
  messages: [AgentSchema],
  always: {
    Agent: ['name', 'pool', 'description', 'built_in', 'revision', 'updated_at', 'tenant_id'],
    AgentList: ['agents'],
    AgentPatch: [],
  },
  says: {
    'AgentBody.llm': 'In place of `pool`: what a model is told and may call.',
    'Agent.llm': 'What a model is told, of an agent that is made of one.',
    'Agent.config_id': 'Config of the executions that an agent made of a model works in; its version is the revision.',
    agents: 'The agents.',
    built_in: 'Whether it comes with the platform.',
  },
  schemas: () => ({
    AgentList: { type: 'object', properties: { agents: listOf('Agent') } },
    AgentBody: {
      type: 'object',
      properties: {
        pool: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}$', description: "The workers' pool." },
        description: { type: 'string' },
        input_schema: { type: 'object', additionalProperties: true, description: 'JSON Schema of the input.' },
        output_schema: { type: 'object', additionalProperties: true, description: 'JSON Schema of the output.' },
        llm: ref('Llm'),
      },
      example: { pool: 'python', description: 'Scores a text', input_schema: { type: 'object', required: ['text'] } },
    },
    AgentPatch: {
      type: 'object',
      description: 'Any fields of an agent; null removes a field.',
      properties: {
        pool: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}$', description: "The workers' pool." },
        description: nullable({ type: 'string', description: 'What it does, for people.' }),
        input_schema: nullable({
          type: 'object',
          additionalProperties: true,
          description: 'JSON Schema of the input.',
        }),
        output_schema: nullable({
          type: 'object',
          additionalProperties: true,
          description: 'JSON Schema of the output.',
        }),
        llm: nullable({ type: 'object', additionalProperties: true, description: 'Fields of what a model is told.' }),
      },
    },
  }),
  parameters: [
    [
      /^\/api\/v1\/agents\//,
      'name',
      { description: 'Name of the agent.', schema: TOKENS_SCHEMA, example: 'word_count' },
    ],
  ],
};
