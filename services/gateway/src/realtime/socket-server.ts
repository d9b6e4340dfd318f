import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import type { Principal } from '@batuta/contracts';
import { counter, gauge } from '@batuta/observability';
import type { Logger } from '@batuta/observability';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import { bearerOf, bearerOfProtocols, chosenProtocol, requireSubprotocol } from '../auth/bearer.js';
import type { TenantLimitGate } from '../backend/tenant-limits.js';
import type { AuditedRequests } from '../audit/audited-requests.js';
import type { Authenticator, Identity } from '../auth/authenticator.js';
import { mayOpenSocket } from '../http/cross-origin.js';
import { endWithProblem, requireHost, requireSingleHeaders } from '../http/bare-requests.js';
import { pathOf } from '../http/problem.filter.js';
import { badUrl, mistake, Problem } from '../http/problem.js';
import { REQUEST_ID, requestIdOf } from '../http/request-id.js';
import { ClientSocket } from './client-socket.js';
import { CLOSE } from './close-codes.js';

/** One kind of WebSocket: its checks before the upgrade and its work afterwards. */
export interface SocketRoute {
  /** Name of the operation in the audit log. */
  readonly action: string;
  /** Matched against the path. Its groups are the parameters, still percent-encoded. */
  readonly pattern: RegExp;
  /** Bytes of one message from the client. */
  readonly maxMessageBytes: number;
  /**
   * Checks a request before the upgrade and returns the function that serves the socket. @throws Problem, which becomes
   * the HTTP answer.
   */
  prepare(request: SocketRequest): Promise<(socket: ClientSocket) => void>;
}

interface SocketRequest {
  readonly identity: Identity;
  readonly request: IncomingMessage;
  readonly requestId: string;
  readonly parameters: readonly string[];
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  /** Aborted when the client leaves before the upgrade is complete. */
  readonly signal: AbortSignal;
}

interface SocketServerOptions {
  readonly authenticator: Authenticator;
  readonly audited: AuditedRequests;
  readonly logger: Logger;
  readonly routes: readonly SocketRoute[];
  readonly bufferBytes: number;
  readonly maxSockets: number;
  readonly limits: Pick<TenantLimitGate, 'openSocket'>;
  /** Origins whose pages may open WebSockets, in addition to the gateway's own; `*` for all. */
  readonly origins: readonly string[];
  readonly pingEveryMs: number;
}

const LIVENESS_STEP_MS = 1_000;

/**
 * WebSockets on the gateway's HTTP server, with `ws` directly. Authentication, 401 and 404 belong in the HTTP answer
 * before the upgrade, and sending must be limited by what the client accepts (docs/adr/0010).
 */
export class SocketServer {
  readonly #options: SocketServerOptions;
  readonly #sockets = new Set<ClientSocket>();
  readonly #servers = new Map<SocketRoute, WebSocketServer>();
  readonly #principals = new WeakMap<IncomingMessage, Principal>();
  readonly #sweep: NodeJS.Timeout;
  readonly #tooSlow = counter('batuta_gateway_websocket_slow_clients_total', 'WebSocket clients closed as too slow.');
  readonly #connected = gauge('batuta_gateway_websocket_clients', 'WebSocket clients connected now.');
  /** Ids of the requests that are being upgraded. */
  readonly #ids = new WeakMap<IncomingMessage, string>();
  #upgrading = 0;
  #stopping = false;

  constructor(options: SocketServerOptions) {
    this.#options = options;
    for (const route of options.routes) {
      this.#servers.set(
        route,
        new WebSocketServer({
          noServer: true,
          clientTracking: false,
          perMessageDeflate: false,
          maxPayload: route.maxMessageBytes,
          handleProtocols: chosenProtocol,
        })
          .on('headers', (headers, request) => headers.push(`${REQUEST_ID}: ${this.#idOf(request)}`))
          .on('wsClientError', (error, connection, request) => {
            // Other errors of the handshake, such as malformed extensions. `ws` itself would answer with HTML.
            endWithProblem(connection, new Problem('malformed_request', `${error.message}.`), this.#placeOf(request));
          }),
      );
    }
    // In steps, so that ten thousand clients are never pinged at once.
    this.#sweep = setInterval(() => this.#pingDue(), Math.min(LIVENESS_STEP_MS, options.pingEveryMs));
    this.#sweep.unref();
  }

  /** The paths of WebSockets. */
  get patterns(): readonly RegExp[] {
    return this.#options.routes.map(({ pattern }) => pattern);
  }

  get size(): number {
    return this.#sockets.size;
  }

  /** Handles upgrades of this HTTP server. */
  attach(server: Server): void {
    server.on('upgrade', (request: IncomingMessage, connection: Duplex, head: Buffer) => {
      if (request.headers.upgrade?.toLowerCase() !== 'websocket') {
        serveWithoutUpgrade(server, request, connection, head);
        return;
      }
      const gone = new AbortController();
      connection.on('error', () => gone.abort());
      connection.once('close', () => gone.abort());
      this.#upgrading += 1;
      this.#upgrade(request, connection, head, gone.signal)
        .catch((error: unknown) => {
          const place = this.#placeOf(request);
          const problem = this.#problemOf(error, place.requestId);
          this.#recordRefusal(request, problem, place);
          endWithProblem(connection, problem, place);
        })
        .finally(() => {
          this.#upgrading -= 1;
        });
    });
  }

  /** Closes the sockets of keys that are not valid any more. */
  async recheckKeys(): Promise<void> {
    const byKey = new Map<string, ClientSocket[]>();
    for (const socket of this.#sockets) {
      const { keyHash } = socket.identity;
      const same = byKey.get(keyHash);
      if (same === undefined) byKey.set(keyHash, [socket]);
      else same.push(socket);
    }
    for (const [keyHash, sockets] of byKey) {
      if ((await this.#options.authenticator.recheck(keyHash)) === undefined) {
        for (const socket of sockets) socket.close(CLOSE.unauthenticated, 'the API key was revoked or has expired');
      }
    }
  }

  /** Tells every client that the gateway stops. Resolves when all clients have left, at the latest after `limitMs`. */
  async close(limitMs: number): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#sweep);
    const sockets = [...this.#sockets];
    for (const socket of sockets) socket.close(CLOSE.goingAway, 'the gateway goes away; come back with from_version');
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, limitMs);
    });
    await Promise.race([Promise.all(sockets.map(gone)), late]);
    clearTimeout(timer);
    for (const socket of this.#sockets) socket.terminate();
    for (const server of this.#servers.values()) server.close();
  }

  async #upgrade(request: IncomingMessage, connection: Duplex, head: Buffer, signal: AbortSignal): Promise<void> {
    requireSingleHeaders(request);
    requireHandshake(request);
    // Not parsed as a URL, because a path that begins with two slashes would name another host.
    const [path = '/', ...query] = (request.url ?? '/').split('?');
    const found = this.#route(path);
    if (found === undefined) throw new Problem('not_found', `There is no WebSocket at ${path}.`);
    const { origin, host = '' } = request.headers;
    if (!mayOpenSocket(origin, host, this.#options.origins)) {
      throw new Problem(
        'forbidden',
        `Pages of the origin ${origin ?? ''} may not open WebSockets here. BATUTA_GATEWAY_CORS_ORIGINS names those that may.`,
      );
    }
    if (this.#stopping) throw new Problem('unavailable', 'The gateway is stopping.');
    if (this.#sockets.size + this.#upgrading > this.#options.maxSockets) {
      throw new Problem('unavailable', `This gateway serves at most ${this.#options.maxSockets} WebSockets.`);
    }
    const { headers } = request;
    requireSubprotocol(headers['sec-websocket-protocol']);
    const key = bearerOf(headers.authorization) ?? bearerOfProtocols(headers['sec-websocket-protocol']);
    const identity = await this.#options.authenticator.identify(key, request);
    this.#principals.set(request, identity.principal);
    const run = await found.route.prepare({
      identity,
      request,
      requestId: this.#idOf(request),
      parameters: found.parameters,
      query: new URLSearchParams(query.join('?')),
      headers,
      signal,
    });
    if (signal.aborted) return;
    // Counted until the connection is closed, whatever happens to the upgrade.
    const close = await this.#options.limits.openSocket(identity.principal.tenantId);
    if (connection.closed) return close();
    connection.once('close', close);
    this.#servers.get(found.route)?.handleUpgrade(request, connection, head, (ws) => {
      this.#serve(ws, connection, identity, run);
    });
  }

  /** The audit log records refused callers: no key, no permission, or above a limit. */
  #recordRefusal(request: IncomingMessage, problem: Problem, place: { path: string; requestId: string }): void {
    const status = problem.getStatus();
    if (status !== 401 && status !== 403 && status !== 429) return;
    const route = this.#route(place.path)?.route;
    this.#options.audited.socket({
      principal: this.#principals.get(request),
      action: route?.action ?? 'websocket',
      url: place.path,
      status,
      code: problem.code,
      request,
      requestId: place.requestId,
    });
  }

  #serve(ws: WebSocket, connection: Duplex, identity: Identity, run: (socket: ClientSocket) => void): void {
    const socket = new ClientSocket({
      ws,
      connection,
      identity,
      logger: this.#options.logger,
      bufferBytes: this.#options.bufferBytes,
      onClose: (closed) => {
        if (this.#sockets.delete(closed)) this.#connected.dec();
      },
      onTooSlow: () => this.#tooSlow.inc(),
    });
    socket.nextPingAt = Date.now() + this.#options.pingEveryMs;
    this.#sockets.add(socket);
    this.#connected.inc();
    if (this.#stopping) {
      socket.close(CLOSE.goingAway, 'the gateway goes away');
      return;
    }
    run(socket);
  }

  #route(path: string): { route: SocketRoute; parameters: string[] } | undefined {
    for (const route of this.#options.routes) {
      const match = route.pattern.exec(path);
      if (match !== null) return { route, parameters: match.slice(1).map(decoded) };
    }
    return undefined;
  }

  #pingDue(): void {
    const now = Date.now();
    for (const socket of this.#sockets) {
      const { expiresAt } = socket.identity;
      if (expiresAt > 0 && expiresAt <= now) {
        socket.close(CLOSE.unauthenticated, 'the API key has expired');
      } else if (socket.nextPingAt <= now) {
        socket.nextPingAt = now + this.#options.pingEveryMs;
        socket.ping();
      }
    }
  }

  #idOf(request: IncomingMessage): string {
    const known = this.#ids.get(request) ?? requestIdOf(request.headers);
    this.#ids.set(request, known);
    return known;
  }

  #placeOf(request: IncomingMessage): { readonly path: string; readonly requestId: string } {
    return { path: pathOf(request.url), requestId: this.#idOf(request) };
  }

  #problemOf(error: unknown, requestId: string): Problem {
    if (error instanceof Problem) return error;
    this.#options.logger.error({ err: error, request_id: requestId }, 'upgrade failed');
    return new Problem('internal', 'Something went wrong on our side.');
  }
}

const WEBSOCKET_KEY = /^[+/0-9A-Za-z]{22}==$/;

/** The requirements for a WebSocket's opening handshake (RFC 6455, 4.2.1). @throws Problem. */
function requireHandshake(request: IncomingMessage): void {
  requireHost(request);
  if (request.method !== 'GET') {
    throw new Problem('method_not_allowed', 'A WebSocket is opened with GET.', { headers: { allow: 'GET' } });
  }
  const { 'sec-websocket-key': key, 'sec-websocket-version': version } = request.headers;
  if (version !== '13') {
    throw new Problem('upgrade_required', 'A WebSocket is opened with Sec-WebSocket-Version: 13.', {
      headers: { 'sec-websocket-version': '13' },
    });
  }
  if (key === undefined) throw mistake('/headers/sec-websocket-key', 'required', 'is required');
  if (!WEBSOCKET_KEY.test(key)) {
    throw mistake('/headers/sec-websocket-key', 'bad_format', 'must be 16 bytes in base64');
  }
}

const gone = (socket: ClientSocket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.signal.aborted) resolve();
    else socket.signal.addEventListener('abort', () => resolve(), { once: true });
  });

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw badUrl();
  }
}

/**
 * A request that offers another protocol (Java's HTTP client offers h2c with every request) must be served as if it had
 * not (RFC 9110, 7.8). Node hands over the raw connection, so the request is written back without the offer.
 */
function serveWithoutUpgrade(server: Server, request: IncomingMessage, connection: Duplex, head: Buffer): void {
  const lines = [`${request.method ?? 'GET'} ${request.url ?? '/'} HTTP/${request.httpVersion}`];
  for (let at = 0; at + 1 < request.rawHeaders.length; at += 2) {
    const name = request.rawHeaders[at] ?? '';
    if (!['upgrade', 'connection', 'http2-settings'].includes(name.toLowerCase())) {
      lines.push(`${name}: ${request.rawHeaders[at + 1] ?? ''}`);
    }
  }
  connection.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
  server.emit('connection', connection as Socket);
}
