import type { OpenApiPart } from '../openapi/openapi-part.js';

export const operationsPart: OpenApiPart = {
  always: {
    Readiness: ['status', 'checks'],
  },
  says: {
    checks: 'The result of each check.',
  },
  schemas: () => ({
    Links: {
      type: 'object',
      required: ['name', 'api', 'documentation', 'openapi', 'config_schema', 'health', 'metrics'],
      properties: {
        name: { type: 'string', const: 'Batuta' },
        api: { type: 'string', description: 'Path below which the API is.' },
        documentation: { type: 'string', description: 'Path of this document as a page.' },
        openapi: { type: 'string', description: 'Path of this document as JSON.' },
        config_schema: { type: 'string', description: 'Path of the JSON Schema of configs.' },
        health: {
          type: 'object',
          required: ['live', 'ready'],
          description: 'Paths of the health checks.',
          properties: {
            live: { type: 'string', description: 'Whether the process runs.' },
            ready: { type: 'string', description: 'Whether requests can be served.' },
          },
        },
        metrics: { type: 'string', description: 'Path of the metrics.' },
      },
    },
    ConfigJsonSchema: {
      type: 'object',
      description: 'A JSON Schema, draft 2020-12.',
      additionalProperties: true,
    },
    Liveness: {
      type: 'object',
      required: ['status'],
      properties: { status: { type: 'string', const: 'live' } },
    },
    Readiness: {
      type: 'object',
      properties: {
        status: { type: 'string', enum: ['ready', 'not_ready'] },
        checks: { type: 'object', additionalProperties: { type: 'string' } },
      },
    },
  }),
};
