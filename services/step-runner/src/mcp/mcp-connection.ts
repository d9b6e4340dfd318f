import { secretNames, withSecrets } from '@batuta/contracts';
import type { JsonObject, McpServer, McpTool } from '@batuta/contracts';
import type { GuardedClient } from '@batuta/outbound-http';
import { RetryableError, TerminalError } from '@batuta/worker';
import { Client, ProtocolError, SdkError, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import type { CallToolResult } from '@modelcontextprotocol/client';
import { setTimeout as delay } from 'node:timers/promises';
import { mcpFetch } from './mcp-fetch.js';
import type { McpContext } from './mcp-fetch.js';
import { shownTool } from './tool-hash.js';

/** Tools of a server beyond this number are not seen. */
const MOST_TOOLS = 200;
const MOST_PAGES = 20;
/** The step's own time limit is shorter. */
const NO_LIMIT = { timeout: 2_147_483_647 } as const;
/** A result that came just before the end of its answer is still read. */
const AFTER_END_MS = 1_000;

/** The values of secrets, by name. */
export type SecretValues = (names: readonly string[]) => Promise<ReadonlyMap<string, string>>;

/** A connection to an MCP server for one attempt or one request. */
export class McpConnection {
  readonly #client: Client;
  readonly #context: McpContext;
  /** Whether a call was sent, so that it may have taken effect. */
  called = false;
  #broken: ((error: unknown) => void) | undefined;

  private constructor(client: Client, context: McpContext) {
    this.#client = client;
    this.#context = context;
  }

  /** Throws an agent's errors. */
  static async open(
    server: Pick<McpServer, 'name' | 'url' | 'headers'>,
    client: GuardedClient,
    context: McpContext,
    secrets: SecretValues,
  ): Promise<McpConnection> {
    const named = Object.values(server.headers ?? {}).flatMap((text) => secretNames(text));
    const values = named.length === 0 ? new Map<string, string>() : await secrets([...new Set(named)]);
    const headers = Object.fromEntries(
      Object.entries(server.headers ?? {}).map(([name, text]) => [name.toLowerCase(), withSecrets(text, values)]),
    );
    // Results are checked by the sandbox, because a schema comes from the server and may be made to take for ever.
    const unchecked = { getValidator: () => (data: unknown) => ({ valid: true, data, errorMessage: undefined }) };
    const mcp = new Client(
      { name: 'batuta', version: '1' },
      { versionNegotiation: { mode: 'auto' }, jsonSchemaValidator: unchecked as never, capabilities: {} },
    );
    const connection = new McpConnection(mcp, context);
    const fetch = mcpFetch(client, context, {
      headers,
      onCall: () => {
        connection.called = true;
      },
      onBreak: (error) => connection.#broken?.(error),
    });
    const transport = new StreamableHTTPClientTransport(new URL(server.url), {
      fetch,
      reconnectionOptions: {
        initialReconnectionDelay: 500,
        maxReconnectionDelay: 5_000,
        reconnectionDelayGrowFactor: 2,
        maxRetries: 2,
      },
    });
    try {
      await mcp.connect(transport, { ...NO_LIMIT, signal: context.signal });
    } catch (error) {
      await connection.close();
      throw failureOfServer(error, context, server.name);
    }
    return connection;
  }

  /** What the server offers now. */
  async tools(server: string): Promise<McpTool[]> {
    const tools: McpTool[] = [];
    let cursor: string | undefined;
    try {
      for (let page = 0; page < MOST_PAGES && tools.length < MOST_TOOLS; page += 1) {
        const params = cursor === undefined ? {} : { cursor };
        const answer = await this.#client.request({ method: 'tools/list', params }, this.#options());
        tools.push(...answer.tools.map((tool) => shownTool(tool as unknown as JsonObject)));
        cursor = answer.nextCursor;
        if (cursor === undefined) break;
      }
    } catch (error) {
      throw failureOfServer(error, this.#context, server);
    }
    return tools.slice(0, MOST_TOOLS);
  }

  /** Calls a tool. Rejects with the error of the protocol, of the network or of the attempt. */
  async call(name: string, args: JsonObject, key: string): Promise<CallToolResult> {
    const broken = new Promise<never>((_, reject) => {
      this.#broken = (error) => {
        const message = 'The server ended its answer before the result.';
        void delay(AFTER_END_MS).then(() => reject(error instanceof Error ? error : new Error(message)));
      };
    });
    // The call itself may be over first.
    broken.catch(() => undefined);
    const params = { name, arguments: args, _meta: { 'batuta/idempotency_key': key } };
    return Promise.race([this.#client.request({ method: 'tools/call', params }, this.#options()), broken]);
  }

  #options() {
    return { ...NO_LIMIT, signal: this.#context.signal };
  }

  async close(): Promise<void> {
    this.#broken = undefined;
    await this.#client.close().catch(() => undefined);
  }
}

/** What an agent throws for what the client threw. The server's own words are shown, and nothing follows from them. */
export function failureOfServer(error: unknown, context: Pick<McpContext, 'signal' | 'redact'>, server: string): Error {
  if (context.signal.aborted) return context.signal.reason as Error;
  const known = agentErrorIn(error);
  if (known !== undefined) return known;
  const said = context.redact(error instanceof Error ? error.message : String(error)).slice(0, 500);
  // The server has answered, so the same call again would be answered the same.
  if (error instanceof ProtocolError) {
    return new TerminalError('mcp_server_failed', `The MCP server "${server}" refused the request: ${said}`);
  }
  const status = error instanceof SdkError ? statusIn(error.data) : undefined;
  if (status === 401 || status === 403) {
    return new TerminalError('mcp_key_refused', `The MCP server "${server}" refused the key (HTTP ${status}).`);
  }
  const message = `The MCP server "${server}" failed: ${said}`;
  if (status !== undefined && status < 500 && status !== 408 && status !== 425 && status !== 429) {
    return new TerminalError('mcp_server_failed', message, { details: { status } });
  }
  return new RetryableError('mcp_server_failed', message, { cause: error });
}

function statusIn(data: unknown): number | undefined {
  const { status } = (data ?? {}) as { status?: unknown };
  return typeof status === 'number' ? status : undefined;
}

/** An agent's error, however the client has wrapped it. */
function agentErrorIn(error: unknown): RetryableError | TerminalError | undefined {
  for (let each = error, depth = 0; each instanceof Error && depth < 5; each = each.cause, depth += 1) {
    if (each instanceof RetryableError || each instanceof TerminalError) return each;
  }
  return undefined;
}

export type { CallToolResult };
