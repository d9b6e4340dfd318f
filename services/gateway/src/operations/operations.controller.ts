import { createHash } from 'node:crypto';
import { Controller, Get, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { checkReadiness, exposeMetrics } from '@batuta/observability';
import { isConnected } from '@batuta/messaging';
import { CONFIG_SCHEMA, operations } from '@batuta/contracts';
import type { JsonObject } from '@batuta/contracts';
import { Public } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import { Executions } from '../executions/executions.js';
import { Answers, RefusesOnly } from '../routes/documented.js';
import { headerRef } from '../openapi/openapi-headers.js';
import { ref } from '../openapi/openapi-schema.js';

const NO_KEY = '0'.repeat(64);
const CHECK_MS = 1_500;
const CONFIG_SCHEMA_TEXT = JSON.stringify(CONFIG_SCHEMA);
const CONFIG_SCHEMA_TAG = `"${createHash('sha1').update(CONFIG_SCHEMA_TEXT).digest('base64url')}"`;

/** Routes for operators and newcomers that need no key. */
@ApiTags('Operations')
@Public()
@Controller()
export class OperationsController {
  readonly #backend: Backend;
  readonly #executions: Executions;

  constructor(backend: Backend, executions: Executions) {
    this.#backend = backend;
    this.#executions = executions;
  }

  @Get()
  @RefusesOnly('validation_failed')
  @ApiOperation({ summary: 'What this is and where its documentation is' })
  @Answers(200, 'Links', 'Links.')
  root(): JsonObject {
    return {
      name: 'Batuta',
      api: '/api/v1',
      documentation: '/docs',
      openapi: '/docs-json',
      config_schema: '/schemas/config.json',
      health: { live: '/health/live', ready: '/health/ready' },
      metrics: '/metrics',
    };
  }

  @Get('schemas/config.json')
  @RefusesOnly('validation_failed')
  @ApiOperation({
    summary: 'The JSON Schema of configs',
    description: 'JSON Schema, draft 2020-12. Editors that read a `$schema` in a config complete its fields with it.',
  })
  @ApiResponse({
    status: 200,
    description: 'The schema.',
    headers: { ETag: headerRef('ETag') },
    content: { 'application/schema+json': { schema: ref('ConfigJsonSchema') } },
  })
  configSchema(@Res({ passthrough: true }) reply: FastifyReply): string {
    void reply
      .header('content-type', 'application/schema+json')
      .header('etag', CONFIG_SCHEMA_TAG)
      .header('cache-control', 'public, max-age=3600');
    return CONFIG_SCHEMA_TEXT;
  }

  @Get('health/live')
  @RefusesOnly('validation_failed')
  @ApiOperation({ summary: 'Whether the process runs' })
  @Answers(200, 'Liveness', 'It runs.')
  live(): JsonObject {
    return { status: 'live' };
  }

  @Get('health/ready')
  @RefusesOnly('validation_failed')
  @ApiOperation({ summary: 'Whether requests can be served: NATS, config and execution answer' })
  @Answers(200, 'Readiness', 'Ready.')
  @Answers(503, 'Readiness', 'Not ready; `checks` says what fails.')
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<JsonObject> {
    const { ready, checks } = await checkReadiness({
      gateway: () => {
        if (this.#executions.stopping) throw new Error('stopping');
      },
      nats: () => {
        if (!isConnected(this.#backend.nats)) throw new Error('not connected');
      },
      config: async () => {
        await this.#backend.probe(operations.apiKeys.authenticate.subject, { keyHash: NO_KEY }, CHECK_MS);
      },
      execution: async () => {
        await this.#backend.probe(operations.engine.topology.subject, {}, CHECK_MS);
      },
    });
    void reply.code(ready ? 200 : 503);
    return { status: ready ? 'ready' : 'not_ready', checks };
  }

  @Get('metrics')
  @RefusesOnly('validation_failed')
  @ApiOperation({ summary: 'Metrics in the Prometheus text format' })
  @ApiResponse({
    status: 200,
    description: 'The metrics.',
    content: { 'text/plain': { schema: { type: 'string' } } },
  })
  async metrics(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    const { contentType, body } = await exposeMetrics();
    void reply.header('content-type', contentType);
    return body;
  }
}
