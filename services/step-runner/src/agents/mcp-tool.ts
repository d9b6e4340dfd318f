import { operations } from '@batuta/contracts';
import type { JsonObject, JsonValue, McpServer, McpServerReply, McpTool } from '@batuta/contracts';
import type { ControlClient } from '@batuta/messaging';
import type { GuardedClient } from '@batuta/outbound-http';
import type { Sandbox } from '@batuta/sandbox';
import { defineAgent, RetryableError, TerminalError } from '@batuta/worker';
import type { Agent, PlatformContext } from '@batuta/worker';
import { failureOfServer, McpConnection } from '../mcp/mcp-connection.js';
import type { CallToolResult } from '../mcp/mcp-connection.js';
import { ask, refusalError } from './rag-handler.js';

const DEFAULT_MAX_BYTES = 256 * 1024;
const LARGEST_MAX_BYTES = 900 * 1024;
const SCHEMA_CHECK_MS = 2_000;
const MOST_VIOLATIONS = 10;

const input = {
  type: 'object',
  required: ['server', 'tool'],
  properties: {
    server: { type: 'string', maxLength: 64, description: 'name of the MCP server' },
    tool: { type: 'string', maxLength: 200, description: 'name of the tool at the server' },
    arguments: { type: 'object', description: 'what the tool is called with' },
    max_bytes: {
      type: 'integer',
      minimum: 1,
      maximum: LARGEST_MAX_BYTES,
      default: DEFAULT_MAX_BYTES,
      description: 'of the result',
    },
  },
} as const;

const output = {
  type: 'object',
  required: ['server', 'tool', 'content'],
  properties: {
    server: { type: 'string' },
    tool: { type: 'string' },
    content: { type: 'array', items: { type: 'object' }, description: 'texts, images, sounds, resources and links' },
    structured: { description: 'the structured result, checked by the schema of the tool' },
    text: { type: 'string', description: 'the texts of `content`, with empty lines between' },
  },
} as const;

export interface McpToolOptions {
  readonly control: ControlClient;
  readonly client: GuardedClient;
  readonly sandbox: Sandbox;
}

/** Calls a tool of an MCP server that an admin has consented to. */
export function mcpToolAgent({ control, client, sandbox }: McpToolOptions): Agent<PlatformContext> {
  return defineAgent(
    'mcp_tool',
    { description: 'Calls a tool of an MCP server. An admin must have consented to the tool.', input, output },
    async (parameters, context: PlatformContext) => {
      const { server: name, tool: toolName, arguments: args = {}, max_bytes: most = DEFAULT_MAX_BYTES } = parameters;
      const server = await serverOf(control, name, context);
      const tool = server.tools.find((each) => each.name === toolName);
      if (tool === undefined) {
        const message = `Nobody has consented to the tool "${toolName}" of the MCP server "${name}". An admin does it with PUT /api/v1/mcp-servers/${name}/consent.`;
        throw new TerminalError('mcp_tool_not_consented', message);
      }
      await requireFit(sandbox, context, tool.inputSchema ?? {}, args, 'input_invalid', 'The arguments do not fit');
      const result = await called(server, tool, args, client, context);
      const shown = shownResult(result, server, tool, most);
      if (tool.outputSchema !== undefined) {
        if (result.structuredContent === undefined) {
          throw new TerminalError(
            'mcp_result_invalid',
            `The tool "${toolName}" gave no structured result, as its schema says.`,
          );
        }
        const { structuredContent } = result as { structuredContent: JsonValue };
        await requireFit(
          sandbox,
          context,
          tool.outputSchema,
          structuredContent,
          'mcp_result_invalid',
          'The result does not fit',
        );
      }
      return shown;
    },
  );
}

async function serverOf(control: ControlClient, name: string, context: PlatformContext): Promise<McpServer> {
  const request = { tenantId: context.tenantId, name };
  const { server, refused } = await ask<McpServerReply>(control, operations.mcpServers.get.subject, request, context);
  if (server !== undefined) return server;
  if (refused !== undefined && refused.code !== 'not_found') throw refusalError(refused);
  const message = `There is no MCP server "${name}". An admin makes it with PUT /api/v1/mcp-servers/${name}.`;
  throw new TerminalError('mcp_server_unknown', message);
}

/** Whether a call may be made twice, by what the admin has read and consented to. */
function isRepeatable({ annotations }: McpTool): boolean {
  if (typeof annotations !== 'object' || annotations === null || Array.isArray(annotations)) return false;
  return annotations['readOnlyHint'] === true || annotations['idempotentHint'] === true;
}

async function called(
  server: McpServer,
  tool: McpTool,
  args: JsonObject,
  client: GuardedClient,
  context: PlatformContext,
): Promise<CallToolResult> {
  const { name } = server;
  const connection = await McpConnection.open(server, client, context, (names) => context.useSecrets(names));
  try {
    const now = (await connection.tools(name)).find((each) => each.name === tool.name);
    if (now?.hash !== tool.hash) {
      const what = now === undefined ? 'does not offer it any more' : 'describes it differently now';
      const message = `The tool "${tool.name}" is not called: the MCP server "${name}" ${what} than when an admin consented to it. List its tools and consent again.`;
      throw new TerminalError('mcp_tool_changed', message);
    }
    return await connection.call(tool.name, args, context.idempotencyKey);
  } catch (error) {
    const failure = failureOfServer(error, context, name);
    if (!connection.called || context.signal.aborted) throw failure;
    throw unlessHappened(failure, tool, name);
  } finally {
    await connection.close();
  }
}

/** A call that may have happened is not made again, unless the tool allows that. */
function unlessHappened(failure: Error, tool: McpTool, server: string): Error {
  if (!(failure instanceof RetryableError) || isRepeatable(tool)) return failure;
  const message = `${failure.message} The call of "${tool.name}" may have happened, so it is not made again: the MCP server "${server}" does not call the tool read-only or idempotent.`;
  return new TerminalError(failure.code, message, { cause: failure });
}

interface ShownResult {
  readonly server: string;
  readonly tool: string;
  readonly content: readonly object[];
  readonly structured?: JsonValue;
  readonly text: string;
}

function shownResult(
  result: CallToolResult,
  { name: server }: McpServer,
  { name: tool }: McpTool,
  most: number,
): ShownResult {
  const { content, structuredContent, isError } = result;
  const text = content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n\n');
  if (isError === true) {
    const message = `The tool "${tool}" of the MCP server "${server}" failed: ${text.slice(0, 1_000)}`;
    throw new TerminalError('mcp_tool_failed', message);
  }
  const shown = {
    server,
    tool,
    content,
    ...(structuredContent === undefined ? {} : { structured: structuredContent as JsonValue }),
    text,
  };
  const bytes = Buffer.byteLength(JSON.stringify(shown));
  if (bytes > most) {
    const message = `The result of the tool "${tool}" has ${bytes} bytes, the limit is ${most} (max_bytes).`;
    throw new TerminalError('response_too_large', message, { details: { bytes, limit: most } });
  }
  return shown;
}

async function requireFit(
  sandbox: Sandbox,
  { tenantId }: PlatformContext,
  schema: JsonValue,
  value: JsonValue,
  code: string,
  what: string,
): Promise<void> {
  const request = {
    schema: withoutDialect(schema),
    value,
    timeoutMs: SCHEMA_CHECK_MS,
    maxViolations: MOST_VIOLATIONS,
    tenantId,
  };
  const checked = await sandbox.validateJson(request);
  if (!checked.ok) {
    throw new TerminalError(code, `${what} the schema of the tool: it cannot be checked (${checked.failure.message}).`);
  }
  if (checked.violations.length === 0) return;
  const list = checked.violations.map(({ path, message }) => `${path === '' ? 'it' : path} ${message}`).join('; ');
  throw new TerminalError(code, `${what} the schema of the tool: ${list}.`);
}

/**
 * Many servers name an older dialect than 2020-12, which is the usual one of the protocol, and use nothing in which the
 * two differ.
 */
function withoutDialect(schema: JsonValue): JsonValue {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return schema;
  const { $schema: _dialect, ...rest } = schema;
  return rest;
}
