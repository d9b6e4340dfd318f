import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from './logger.js';
import { LOG_LEVELS, setLogLevel } from './logger.js';
import type { LogLevel } from './logger.js';
import { collectProcessMetrics, exposeMetrics, gauge } from './metrics.js';
import { redactUrl } from './redact.js';

export type ReadinessCheck = () => Promise<void> | void;

export interface Readiness {
  readonly ready: boolean;
  /** For each check: "ok" or the reason of its failure. */
  readonly checks: Record<string, string>;
}

/** Runs every check for at most `timeoutMs` milliseconds each. Never throws. */
export async function checkReadiness(
  checks: Readonly<Record<string, ReadinessCheck>>,
  timeoutMs = 2_000,
): Promise<Readiness> {
  const entries = await Promise.all(
    Object.entries(checks).map(async ([name, check]): Promise<[string, string]> => {
      let timer: NodeJS.Timeout | undefined;
      try {
        await Promise.race([
          Promise.resolve().then(check),
          new Promise((_, reject) => {
            timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
          }),
        ]);
        return [name, 'ok'];
      } catch (error) {
        return [name, redactUrl(error instanceof Error ? error.message : String(error))];
      } finally {
        clearTimeout(timer);
      }
    }),
  );
  return { ready: entries.every(([, result]) => result === 'ok'), checks: Object.fromEntries(entries) };
}

/**
 * A service's own route for operators. It gets the parameters of the query, and returns the status and body of the
 * answer.
 */
export type OpsRoute = (query: URLSearchParams) => Promise<{ readonly status: number; readonly body: unknown }>;

const exposed = new Set<OpsServerOptions['checks']>();

/**
 * Shows checks among the process's metrics, so that an alert can name the failed check. Call the returned function to
 * stop.
 */
function exposeChecks(checks: OpsServerOptions['checks']): () => void {
  exposed.add(checks);
  gauge('batuta_ready', 'Whether a check of /health/ready passes: 1 or 0', ['check'], async function collect() {
    const found = await Promise.all([...exposed].map((each) => checkReadiness(each)));
    this.reset();
    const failed = new Map<string, boolean>();
    for (const { checks: results } of found) {
      for (const [name, result] of Object.entries(results)) {
        failed.set(name, failed.get(name) === true || result !== 'ok');
      }
    }
    for (const [check, isFailed] of failed) this.set({ check }, isFailed ? 0 : 1);
  });
  return () => exposed.delete(checks);
}

export interface OpsServerOptions {
  /** 0 chooses a free port. */
  readonly port: number;
  readonly host?: string;
  readonly checks: Readonly<Record<string, ReadinessCheck>>;
  /** Checks whose failure only a restart of this process can fix. The supervisor restarts the process then. */
  readonly liveness?: Readonly<Record<string, ReadinessCheck>>;
  readonly logger: Logger;
  /**
   * The bearer token for requests that change something. Without it, only requests from this machine may change
   * something.
   */
  readonly token?: string | undefined;
  /** The service's own routes, by path. GET only. */
  readonly routes?: Readonly<Record<string, OpsRoute>>;
}

export interface OpsServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * The HTTP server for a service's operators: /health/live, /health/ready, /metrics, PUT /log-level?level=debug, and the
 * service's own routes. Everybody who can reach it may read; see `OpsServerOptions.token` for changes. It must not be
 * on the public network. Throws when the port is taken.
 */
export async function startOpsServer(options: OpsServerOptions): Promise<OpsServer> {
  collectProcessMetrics();
  const hide = exposeChecks(options.checks);
  const server = createServer((request, response) => {
    answer(options, request, response).catch((error: unknown) => {
      options.logger.error({ err: error }, 'operations request failed');
      if (!response.headersSent) {
        json(response, 500, { error: 'internal' });
      }
    });
  });
  server.requestTimeout = 10_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host ?? '127.0.0.1', () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise<void>((resolve, reject) => {
        hide();
        server.close((error) => (error === undefined ? resolve() : reject(error)));
        server.closeAllConnections();
      }),
  };
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

async function answer(options: OpsServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://ops');
  switch (`${request.method ?? 'GET'} ${url.pathname}`) {
    case 'GET /health/live': {
      const { ready: live, checks } = await checkReadiness(options.liveness ?? {});
      return json(response, live ? 200 : 503, live ? { status: 'live' } : { status: 'not_live', checks });
    }
    case 'GET /health/ready': {
      const { ready, checks } = await checkReadiness(options.checks);
      return json(response, ready ? 200 : 503, { status: ready ? 'ready' : 'not_ready', checks });
    }
    case 'GET /metrics': {
      const { contentType, body } = await exposeMetrics();
      response.writeHead(200, { 'content-type': contentType }).end(body);
      return;
    }
    case 'PUT /log-level':
      return changeLogLevel(options, request, response, url.searchParams.get('level') ?? '');
    default: {
      const own = request.method === 'GET' ? options.routes?.[url.pathname] : undefined;
      if (own === undefined) return json(response, 404, { error: 'unknown route' });
      const { status, body } = await own(url.searchParams);
      return json(response, status, body);
    }
  }
}

function changeLogLevel(
  { logger, token }: OpsServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  level: string,
): void {
  const { status, error } = mayChange(request, token) ?? {};
  if (status !== undefined) {
    if (status === 401) response.setHeader('www-authenticate', 'Bearer');
    logger.warn({ host: request.socket.remoteAddress }, 'a change of the log level was refused');
    return json(response, status, { error });
  }
  if (!(LOG_LEVELS as readonly string[]).includes(level)) {
    return json(response, 400, { error: `level must be one of ${LOG_LEVELS.join(', ')}` });
  }
  setLogLevel(level as LogLevel);
  logger.warn({ level }, 'log level changed');
  return json(response, 200, { level });
}

/** Returns undefined if the request may change something, otherwise the refusal. */
function mayChange(request: IncomingMessage, token: string | undefined): { status: number; error: string } | undefined {
  // A page in a browser on this machine does not act for the operator.
  if (request.headers.origin !== undefined) return { status: 403, error: 'not for browsers' };
  if (token === undefined) {
    // A proxy on this machine forwards requests of others.
    const isForwarded = request.headers.forwarded !== undefined || request.headers['x-forwarded-for'] !== undefined;
    return LOOPBACK.test(request.socket.remoteAddress ?? '') && !isForwarded
      ? undefined
      : { status: 403, error: 'allowed from this machine only, as no BATUTA_OPS_TOKEN is set' };
  }
  const shown = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
  return timingSafeEqual(sha256(shown), sha256(token))
    ? undefined
    : { status: 401, error: 'needs the BATUTA_OPS_TOKEN as a bearer token' };
}

const LOOPBACK = /^(::ffff:)?127\.|^::1$/;

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
