import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';

export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

type Handler = (asked: Asked, response: ServerResponse) => void;

/** A server that answers as a test scripts it, and records the requests. */
export class ScriptedServer {
  readonly asked: Asked[] = [];
  readonly sockets: { readonly url: string; readonly protocols: string; readonly socket: WebSocket }[] = [];
  handler: Handler = (_, response) => void response.writeHead(500).end();
  onSocket: (socket: WebSocket, url: string, nth: number) => void = () => undefined;
  readonly #webSockets = new WebSocketServer({ noServer: true });

  private constructor(
    readonly server: Server,
    readonly url: string,
  ) {}

  static async start(): Promise<ScriptedServer> {
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const started = new ScriptedServer(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on('request', (request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const { method = '', url = '', headers } = request;
        const asked = { method, url, headers, body: Buffer.concat(parts).toString('utf8') };
        started.asked.push(asked);
        started.handler(asked, response);
      });
    });
    server.on('upgrade', (request, connection, head) => {
      started.#webSockets.handleUpgrade(request, connection, head, (socket) => {
        const url = request.url ?? '';
        started.sockets.push({ url, protocols: String(request.headers['sec-websocket-protocol']), socket });
        started.onSocket(socket, url, started.sockets.length);
      });
    });
    return started;
  }

  async stop(): Promise<void> {
    for (const { socket } of this.sockets) socket.terminate();
    this.server.closeAllConnections();
    await new Promise((resolve) => {
      this.server.close(resolve);
    });
  }
}

export function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response
    .writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers })
    .end(JSON.stringify(body));
}

export function problem(
  response: ServerResponse,
  status: number,
  code: string,
  headers: Record<string, string> = {},
): void {
  const body = { type: `urn:batuta:problem:${code}`, title: 'No', status, detail: 'It is so.', code };
  response
    .writeHead(status, { 'content-type': 'application/problem+json; charset=utf-8', ...headers })
    .end(JSON.stringify(body));
}
