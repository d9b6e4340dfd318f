import type { Logger } from '@batuta/observability';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { Problem } from '../http/problem.js';
import type { ExecutionHub } from '../executions/execution-hub.js';
import type { Executions } from '../executions/executions.js';
import { openApiDocument } from '../document/openapi.js';
import { McpEndpoint } from './mcp-endpoint.js';
import { RunningCalls } from './mcp-server.js';
import { operationTools } from './operation-tools.js';
import type { OperationTool } from './operation-tools.js';
import { RestCalls } from './rest-calls.js';
import { RunTools } from './run-tools.js';

export interface GatewayMcpOptions {
  readonly app: NestFastifyApplication;
  readonly hub: ExecutionHub;
  readonly executions: Executions;
  readonly settings: {
    readonly host: string;
    readonly maxSockets: number;
    readonly corsOrigins: readonly string[];
    readonly mcpHosts: readonly string[];
    readonly mcpWaitMs: number;
    readonly mcpCancels: boolean;
  };
  readonly logger: Logger;
  /** Counts a connection of a tenant. @throws Problem limit_reached. */
  readonly enter: (tenantId: string) => Promise<() => void>;
}

/** Adds `/mcp` to the gateway. */
export function gatewayMcp({ app, hub, executions, settings, logger, enter }: GatewayMcpOptions): McpEndpoint {
  const fastify = app.getHttpAdapter().getInstance() as unknown as FastifyInstance;
  const rest = new RestCalls(fastify);
  // The document is made once, and only when somebody asks for tools.
  let tools: ReadonlyMap<string, OperationTool> | undefined;
  let open = 0;
  const endpoint = new McpEndpoint({
    rest,
    runTools: new RunTools(rest),
    run: { rest, hub, executions, waitMs: settings.mcpWaitMs, cancels: settings.mcpCancels },
    running: new RunningCalls(),
    operationTools: () => (tools ??= operationTools(openApiDocument(app))),
    enter: async (tenantId) => {
      if (open >= settings.maxSockets) {
        throw new Problem('unavailable', `This gateway serves at most ${settings.maxSockets} calls over MCP.`);
      }
      open += 1;
      try {
        const leave = await enter(tenantId);
        return () => {
          open -= 1;
          leave();
        };
      } catch (error) {
        open -= 1;
        throw error;
      }
    },
    logger,
    hosts: settings.mcpHosts,
    origins: settings.corsOrigins,
    listensOn: settings.host,
  });
  endpoint.install(fastify);
  return endpoint;
}
