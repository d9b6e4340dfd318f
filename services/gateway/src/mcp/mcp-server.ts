import { operations } from '@batuta/contracts';
import type { JsonObject, Principal } from '@batuta/contracts';
import { ProtocolError, ProtocolErrorCode, Server } from '@modelcontextprotocol/server';
import type { CallToolResult, ListToolsResult, ServerContext } from '@modelcontextprotocol/server';
import { allows } from '../auth/roles.js';
import { sha256 } from '../http/ids.js';
import { Problem } from '../http/problem.js';
import { ArgumentMistake, requestOf } from './operation-tools.js';
import type { OperationTool } from './operation-tools.js';
import type { RestCaller, RestCalls } from './rest-calls.js';
import { RefusedReading } from './run-tools.js';
import type { RunTools } from './run-tools.js';
import { answerResult, mistakeResult, refusedResult } from './tool-results.js';
import { runTool } from './tool-run.js';
import type { RunOptions } from './tool-run.js';

/** Where a client may give the key of a call in the call itself. */
export const KEY_IN_META = 'batuta/idempotency_key';

const INSTRUCTIONS = `Batuta runs teams of agents, durably. Tools that begin with run_ and agent_ run the tenant's orchestrations and agents;
their result names the execution. The other tools are operations of the platform. A long run is answered with status
"running": ask for its result with executions_result and wait. To explain a failure, read executions_status, which has
the failure of every step, then executions_step for the attempts of the step that failed. To save an orchestration, use
configs_create or configs_update: every mistake in it is reported at once, with its place, and nothing is saved then.`;

/** One request of an MCP client. */
export interface McpSession {
  readonly principal: Principal;
  readonly caller: RestCaller;
  readonly base: string;
  /** The session of a client of a protocol before 2026-07-28. Its request ids are unique in it. */
  readonly sessionId: string | undefined;
  /** `Idempotency-Key` of the HTTP request. */
  readonly keyHeader: string | undefined;
}

export interface McpServerOptions {
  readonly rest: RestCalls;
  readonly runTools: RunTools;
  readonly run: RunOptions;
  readonly operationTools: () => ReadonlyMap<string, OperationTool>;
  /** Counts a call that waits as an open connection of its tenant. */
  readonly enter: (tenantId: string) => Promise<() => void>;
  readonly running: RunningCalls;
}

/** The executions of calls that wait in this gateway, so that a client can cancel them by the id of the call. */
export class RunningCalls {
  readonly #executions = new Map<string, string>();

  add(key: string, executionId: string): () => void {
    this.#executions.set(key, executionId);
    return () => {
      if (this.#executions.get(key) === executionId) this.#executions.delete(key);
    };
  }

  get(key: string): string | undefined {
    return this.#executions.get(key);
  }
}

/** The idempotency key of a call in a session: the same call sent again gets the same execution. */
export function keyOfCall({ userId }: Principal, sessionId: string, id: string | number): string {
  return `mcp-${sha256(JSON.stringify([userId, sessionId, id])).slice(0, 40)}`;
}

/** A server for one request. It keeps nothing, so any gateway can serve any request. */
export function mcpServer(options: McpServerOptions, session: McpSession, era: 'legacy' | 'modern'): Server {
  const server = new Server(
    { name: 'batuta', title: 'Batuta', version: '1' },
    { capabilities: { tools: {} }, instructions: INSTRUCTIONS },
  );
  server.setRequestHandler('tools/list', ({ params }) => listTools(options, session, params?.cursor));
  server.setRequestHandler('tools/call', async ({ params }, context) => {
    const { name, arguments: args = {} } = params;
    try {
      return await callTool(options, session, { name, args: args as JsonObject, context, era });
    } catch (error) {
      if (error instanceof RefusedReading) return refusedResult(error.answer);
      if (error instanceof ArgumentMistake) return mistakeResult(error.message);
      if (error instanceof Problem) return mistakeResult(`${error.code}: ${error.detail}`);
      throw error;
    }
  });
  return server;
}

const mayRun = ({ role }: Principal): boolean => allows(role, operations.executions.start.role);

async function listTools(
  { runTools, operationTools }: McpServerOptions,
  { principal, caller }: McpSession,
  cursor: string | undefined,
): Promise<ListToolsResult> {
  const own =
    cursor === undefined
      ? [...operationTools().values()].filter(({ operation }) => allows(principal.role, operation.role))
      : [];
  const tools = own.map(({ tool }) => tool);
  if (!mayRun(principal)) return { tools };
  try {
    const page = await runTools.page(caller, cursor);
    const { nextCursor } = page;
    return {
      tools: [...tools, ...page.tools.map(({ tool }) => tool)],
      ...(nextCursor === undefined ? {} : { nextCursor }),
    };
  } catch (error) {
    if (!(error instanceof RefusedReading)) throw error;
    const { detail } = error.answer.body ?? {};
    const said = typeof detail === 'string' ? detail : 'The tools cannot be read.';
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, said);
  }
}

interface ToolCall {
  readonly name: string;
  readonly args: JsonObject;
  readonly context: ServerContext;
  readonly era: 'legacy' | 'modern';
}

async function callTool(options: McpServerOptions, session: McpSession, call: ToolCall): Promise<CallToolResult> {
  const { rest, runTools, operationTools } = options;
  const { principal, caller, base, sessionId } = session;
  const { name, args, context } = call;
  const { id, _meta: meta } = context.mcpReq;
  const given = meta?.[KEY_IN_META] ?? session.keyHeader;
  if (given !== undefined && typeof given !== 'string') throw new ArgumentMistake(`${KEY_IN_META} must be a text.`);
  const key = given ?? (sessionId === undefined ? undefined : keyOfCall(principal, sessionId, id));
  const operation = operationTools().get(name);
  if (operation !== undefined) return answerResult(await rest.call(caller, requestOf(operation, args, key)), base);
  const runnable = mayRun(principal) ? await runTools.find(caller, name) : undefined;
  if (runnable === undefined) {
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, `There is no tool "${name}".`);
  }
  return runCall(options, session, call, { runnable, key, given: given !== undefined });
}

async function runCall(
  { run, enter, running }: McpServerOptions,
  { principal, caller, base, sessionId }: McpSession,
  { args, context, era }: ToolCall,
  {
    runnable,
    key,
    given,
  }: { runnable: Parameters<typeof runTool>[1]['runnable']; key: string | undefined; given: boolean },
): Promise<CallToolResult> {
  const { id, signal, _meta: meta, notify } = context.mcpReq;
  const token = meta?.progressToken;
  const leave = await enter(principal.tenantId);
  let forget: (() => void) | undefined;
  try {
    return await runTool(run, {
      caller,
      tenantId: principal.tenantId,
      base,
      runnable,
      args,
      key,
      gone: signal,
      // Since 2026-07-28 a closed connection is a cancellation. A client with a key wants to come back.
      goneCancels: era === 'modern' && !given,
      progress:
        token === undefined
          ? undefined
          : (progress, message) =>
              notify({ method: 'notifications/progress', params: { progressToken: token, progress, message } }),
      started: (executionId) => {
        if (sessionId !== undefined) forget = running.add(keyOfCall(principal, sessionId, id), executionId);
      },
    });
  } finally {
    forget?.();
    leave();
  }
}
