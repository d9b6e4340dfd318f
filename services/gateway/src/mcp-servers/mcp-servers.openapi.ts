import { McpServerSchema, McpToolSchema, MCP_TOOL_STATES } from '@batuta/contracts';
import type { OpenApiPart } from '../openapi/openapi-part.js';
import { TOKENS_SCHEMA } from '../openapi/openapi-rules.js';
import { listOf } from '../openapi/openapi-schema.js';

const HASH = { type: 'string', pattern: '^[0-9a-f]{64}$' };

export const mcpServersPart: OpenApiPart = {
  messages: [McpServerSchema, McpToolSchema],
  always: {
    McpServer: ['name', 'url', 'description', 'tools', 'revision', 'updated_at', 'tenant_id'],
    McpServerList: ['servers'],
    McpTool: ['name', 'description', 'input_schema', 'hash'],
    McpToolList: ['tools'],
  },
  words: { 'McpTool.state': MCP_TOOL_STATES },
  rules: { 'McpTool.hash': HASH },
  says: {
    'McpServer.name': 'Its name, which steps use.',
    'McpServer.url': 'Where requests go.',
    'McpServer.headers': 'Headers of requests, with references to secrets.',
    'McpServer.description': 'What it is for.',
    'McpServer.tools': 'The tools that may be called, as they were when an admin consented to them.',
    'McpTool.name': 'Its name at the server.',
    'McpTool.title': 'Its name for people.',
    'McpTool.description': 'What the server says of it.',
    'McpTool.input_schema': 'JSON Schema of its arguments.',
    'McpTool.output_schema': 'JSON Schema of its structured result.',
    'McpTool.annotations':
      'What the server says of its effects. A tool with `readOnlyHint` or `idempotentHint` may be called again after a failure.',
    'McpTool.hash': 'SHA-256 of all that the server says of it.',
    'McpTool.state': 'What the consent says of it: `new`, `consented`, `changed` or `gone`.',
    servers: 'The servers, by name.',
  },
  schemas: () => ({
    McpServerList: { type: 'object', properties: { servers: listOf('McpServer') } },
    McpToolList: {
      type: 'object',
      properties: { tools: { ...listOf('McpTool'), description: 'The tools, in the order of the server.' } },
    },
    McpServerBody: {
      type: 'object',
      required: ['url'],
      properties: {
        url: { type: 'string', maxLength: 2048, description: 'Where requests go: http or https.' },
        headers: {
          type: 'object',
          maxProperties: 30,
          additionalProperties: { type: 'string', maxLength: 8000 },
          description: 'Headers of requests. They may refer to secrets: `Bearer {{secret:NAME}}`.',
        },
        description: { type: 'string', maxLength: 2000, description: 'Its purpose.' },
      },
    },
    McpConsentBody: {
      type: 'object',
      required: ['tools'],
      properties: {
        tools: {
          type: 'array',
          maxItems: 200,
          description: 'All tools that may be called from now on.',
          items: {
            type: 'object',
            required: ['name', 'hash'],
            properties: {
              name: { type: 'string', maxLength: 200, description: 'The name of the tool.' },
              hash: { ...HASH, description: 'Its hash in the list of tools that you have read.' },
            },
          },
        },
      },
    },
  }),
  parameters: [
    [
      /^\/api\/v1\/mcp-servers\//,
      'name',
      { description: 'Name of the MCP server.', schema: TOKENS_SCHEMA, example: 'tickets' },
    ],
  ],
};
