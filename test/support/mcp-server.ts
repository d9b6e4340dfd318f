import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A tool of the test's server. */
export interface ServedTool {
  readonly name: string;
  readonly description?: string;
  readonly inputSchema?: object;
  readonly outputSchema?: object;
  readonly annotations?: object;
  /** Answers a call: a result, or anything else that a server may do with the response. */
  readonly call: (args: Record<string, unknown>, response: ServerResponse) => object | undefined;
}

interface Message {
  readonly id?: number | string;
  readonly method: string;
  readonly params?: { readonly name?: string; readonly arguments?: Record<string, unknown>; readonly _meta?: object };
}

/** An MCP server (2025-06-18, streamable HTTP) whose tools may change and misbehave. */
export class McpTestServer {
  readonly tools = new Map<string, ServedTool>();
  /** The calls of tools that it has got. */
  readonly calls: { readonly name: string; readonly args: unknown; readonly meta: unknown }[] = [];
  /** Headers of the newest request. */
  headers: IncomingMessage['headers'] = {};
  /** Answers any request itself, instead of the protocol. */
  instead: ((response: ServerResponse) => void) | undefined;
  readonly #server: Server = createServer((request, response) => void this.#take(request, response));

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/mcp`;
  }

  async start(...tools: readonly ServedTool[]): Promise<this> {
    for (const tool of tools) this.tools.set(tool.name, tool);
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.headers = request.headers;
    let text = '';
    for await (const piece of request) text += String(piece);
    if (this.instead !== undefined) {
      this.instead(response);
      return;
    }
    if (request.method !== 'POST') {
      response.writeHead(405).end();
      return;
    }
    const message = JSON.parse(text) as Message;
    if (message.id === undefined) {
      response.writeHead(202).end();
      return;
    }
    const result = this.#answer(message, response);
    if (result === undefined) return;
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, ...result }));
  }

  #answer({ method, params = {} }: Message, response: ServerResponse): object | undefined {
    if (method === 'initialize') {
      const serverInfo = { name: 'test', version: '1' };
      return { result: { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo } };
    }
    if (method === 'tools/list') {
      const tools = [...this.tools.values()].map(({ call: _call, inputSchema = { type: 'object' }, ...tool }) => ({
        ...tool,
        inputSchema,
      }));
      return { result: { tools } };
    }
    const { name = '', arguments: args = {}, _meta: meta } = params;
    const tool = this.tools.get(name);
    if (method !== 'tools/call' || tool === undefined) return { error: { code: -32_601, message: 'no such method' } };
    this.calls.push({ name, args, meta });
    const result = tool.call(args, response);
    return result === undefined ? undefined : { result };
  }
}

export const saying = (text: string): object => ({ content: [{ type: 'text', text }] });
