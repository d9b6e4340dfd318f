import { LIMITS, inboxPrefix } from '@batuta/contracts';
import { natsServers } from '@batuta/settings';
import { createInbox, credsAuthenticator } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/nats-core';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { gatherWrites } from './gather-writes.js';
import type { Line, Log } from './log.js';

interface NatsConnectionOptions {
  /** `nats://user:password@host:4222`, several separated by commas. */
  readonly url: string;
  /** A file of NATS credentials (`NATS_CREDS`). It is read at each connect. Default: the credentials in the URL. */
  readonly credentials?: string | undefined;
  /**
   * A PEM file with the certificates of the authorities that are trusted (`BATUTA_NATS_TLS_CA`). It is read at each
   * connect, and makes TLS obligatory. Default: the authorities that Node.js knows; TLS is then used only if the server
   * requires it or the URL begins with `tls://`.
   */
  readonly tlsCa?: string | undefined;
  /** The name that the server's monitoring shows. */
  readonly name: string;
  readonly logger: Log;
  /** Milliseconds to wait at the first connect for a server that does not answer yet. Default 30,000. */
  readonly firstConnectMs?: number;
}

/** Client options that every connection of the platform shares, including those that Nest opens. */
export function natsClientOptions(options: Pick<NatsConnectionOptions, 'url' | 'name' | 'credentials' | 'tlsCa'>) {
  const { url, name, credentials, tlsCa } = options;
  return {
    ...natsServers(url),
    ...(credentials === undefined ? {} : credentialsOptions(credentials)),
    ...(tlsCa === undefined ? {} : { tls: { caFile: certificatesIn(tlsCa) } }),
    name,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    reconnectJitter: 50,
    pingInterval: 5_000,
    maxPingOut: 2,
    timeout: 5_000,
    // A stack trace kept for each request costs more than the request.
    noAsyncTraces: true,
    // By default the client closes for good at the second refusal in its life, and it counts an "Authentication
    // Timeout" as a refusal. A machine that is slow for two seconds gets that error. `onLost` reports refusals that do
    // not end.
    ignoreAuthErrorAbort: true,
  };
}

/** An error that a program shows without a stack trace (see `mistakeOf` of @batuta/program). */
function mistake(message: string, cause?: unknown): Error {
  return Object.assign(new Error(message, { cause }), { mistake: true });
}

/**
 * Returns the file name if the file contains certificates. Throws otherwise, with a message that can be shown to the
 * user.
 */
function certificatesIn(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw mistake(`The certificates for NATS cannot be read (BATUTA_NATS_TLS_CA): ${(error as Error).message}`, error);
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----')) {
    throw mistake(`${file} holds no certificate in PEM (BATUTA_NATS_TLS_CA).`);
  }
  return file;
}

/**
 * Returns an authenticator for a credentials file, and the inbox prefix of its user. Throws when the file cannot be
 * read or holds no credentials, with a message that can be shown to the user.
 */
function credentialsOptions(file: string) {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw mistake(`The NATS credentials cannot be read (NATS_CREDS): ${(error as Error).message}`, error);
  }
  const [, claims = ''] = /BEGIN NATS USER JWT-+\s+[\w-]+\.([\w-]+)\./.exec(text) ?? [];
  let user: unknown;
  try {
    user = (JSON.parse(Buffer.from(claims, 'base64url').toString('utf8')) as { name?: unknown }).name;
  } catch {
    // The check below reports it.
  }
  if (typeof user !== 'string' || user === '') throw mistake(`${file} holds no NATS credentials (NATS_CREDS).`);
  return {
    // Read at each connect, so that a replaced file takes effect without a restart.
    authenticator: credsAuthenticator(() => readFileSync(file)),
    inboxPrefix: inboxPrefix(user),
  };
}

/** A new subject for answers to this connection. Its user may subscribe to it. */
export function newInbox(nc: NatsConnection): string {
  return createInbox((nc as unknown as { options?: { inboxPrefix?: string } }).options?.inboxPrefix);
}

/**
 * How long the server may refuse the credentials until the connection counts as lost. Long enough to correct a mistake
 * in the credentials.
 */
const REFUSED_MS = 60_000;

/** The current state of a connection, and its listeners. */
interface ConnectionWatch {
  connected: boolean;
  /** When the server first refused the credentials, by `performance.now()`; undefined while it accepts them. */
  refusedSince: number | undefined;
  readonly reconnected: Set<() => void>;
  readonly refused: Set<(error: Error, forMs: number) => void>;
}

function newWatch(): ConnectionWatch {
  return { connected: true, refusedSince: undefined, reconnected: new Set(), refused: new Set() };
}

const watches = new WeakMap<NatsConnection, ConnectionWatch>();

function watchOf(nc: NatsConnection): ConnectionWatch {
  let watch = watches.get(nc);
  if (watch === undefined) {
    watch = newWatch();
    watches.set(nc, watch);
    void followStatus(nc, watch);
  }
  return watch;
}

async function followStatus(
  nc: NatsConnection,
  watch: ConnectionWatch,
  logger?: NatsConnectionOptions['logger'],
): Promise<void> {
  for await (const status of nc.status()) {
    switch (status.type) {
      case 'disconnect':
        watch.connected = false;
        logger?.warn({ server: status.server }, 'nats disconnected');
        break;
      case 'reconnect':
        watch.connected = true;
        watch.refusedSince = undefined;
        logger?.info({ server: status.server }, 'nats reconnected');
        for (const listener of watch.reconnected) {
          listener();
        }
        break;
      case 'error':
        // Log the first refusal only: the client tries again four times a second.
        if (watch.refusedSince === undefined) logger?.error({ err: status.error }, 'nats error');
        if (isRefusal(status.error)) {
          const now = performance.now();
          watch.refusedSince ??= now;
          for (const listener of watch.refused) listener(status.error, now - watch.refusedSince);
        }
        break;
      case 'ldm':
        logger?.warn({ server: status.server }, 'nats server is about to stop');
        break;
      default:
        break;
    }
  }
  watch.connected = false;
}

/** Whether the connection is up. While it is down, published messages wait in memory. */
export function isConnected(nc: NatsConnection): boolean {
  return watchOf(nc).connected && !nc.isClosed();
}

/**
 * Calls `listener` after each reconnect, and returns a function that ends this. Requests that were in flight before a
 * reconnect get no answer.
 */
export function onReconnect(nc: NatsConnection, listener: () => void): () => void {
  const { reconnected } = watchOf(nc);
  reconnected.add(listener);
  return () => reconnected.delete(listener);
}

/** Tells whether a server answers over a connection. */
export interface Reach {
  /** Milliseconds since the last answer. Undefined until there was none for `afterMs`. */
  cutOffMs(): number | undefined;
  stop(): void;
}

/** Number of unanswered pings, one after the other, after which a connection counts as cut off. */
const PINGS = 5;

/**
 * Pings the server continuously. Calls `changed` when it has not answered for `afterMs`, and when it answers again. The
 * client itself notices a pulled cable only after 10 to 15 s. Time in which this process stood still is not counted,
 * because pings are counted and not milliseconds.
 */
export function watchReach(nc: NatsConnection, afterMs: number, changed: () => void): Reach {
  let unanswered = 0;
  let waiting = false;
  let heard = performance.now();
  const answered = (): void => {
    const wasCutOff = unanswered > PINGS;
    unanswered = 0;
    heard = performance.now();
    if (wasCutOff) changed();
  };
  const ping = (): void => {
    if (nc.isClosed()) return;
    unanswered += 1;
    if (unanswered === PINGS + 1) changed();
    if (waiting) return;
    waiting = true;
    nc.flush()
      // A ping over a closed connection is rejected. The next one uses the new connection.
      .then(answered, () => undefined)
      .finally(() => {
        waiting = false;
      });
  };
  const timer = setInterval(ping, afterMs / PINGS);
  return {
    cutOffMs: () => (unanswered > PINGS ? performance.now() - heard : undefined),
    stop: () => clearInterval(timer),
  };
}

/**
 * Calls `listener` at most once, when the connection will not come back: the server or an error closed it for good, or
 * the server has refused the credentials for `refusedMs` milliseconds without a break. A service cannot serve anybody
 * over such a connection.
 */
export function onLost(nc: NatsConnection, listener: (error: Error) => void, refusedMs = REFUSED_MS): void {
  const { refused } = watchOf(nc);
  const tell = (error: Error): void => {
    if (refused.delete(refusals)) listener(error);
  };
  const refusals = (error: Error, forMs: number): void => {
    if (forMs >= refusedMs) tell(error);
  };
  refused.add(refusals);
  void nc.closed().then((error) => {
    if (error instanceof Error) tell(error);
  });
}

/**
 * Returns the default reaction of a service to a lost connection: the process ends with exit code 1. The supervisor
 * starts it again, with the credentials that are valid then.
 */
export function endProcess(logger: { readonly fatal: Line }): (error: Error) => void {
  return (error) => {
    logger.fatal({ err: error }, 'the connection to NATS is lost for good: the process ends');
    process.exit(1);
  };
}

/**
 * Connects to NATS and stays connected: reconnects without end, 250 ms apart, and pings every 5 s. Throws in these
 * cases: no server answers within `firstConnectMs`; the credentials are refused; TLS is wanted and the server has none;
 * no trusted authority signed its certificate; its `max_payload` is below 8 MiB.
 */
export async function connectNats(options: NatsConnectionOptions): Promise<NatsConnection> {
  const { logger } = options;
  const deadline = Date.now() + (options.firstConnectMs ?? 30_000);
  const nc = await firstConnect(natsClientOptions(options), deadline, logger);
  const maxPayload = nc.info?.max_payload ?? 0;
  if (maxPayload < LIMITS.natsMaxPayloadBytes) {
    await nc.close();
    throw mistake(
      `nats-server allows messages of ${maxPayload} bytes, Batuta needs ${LIMITS.natsMaxPayloadBytes}: ` +
        'set "max_payload: 8MB" in the configuration file of nats-server.',
    );
  }
  const watch = newWatch();
  watches.set(nc, watch);
  gatherWrites(nc);
  // This listener is registered first, so that it runs before the others send anything.
  watch.reconnected.add(() => gatherWrites(nc));
  void followStatus(nc, watch, logger);
  return nc;
}

async function firstConnect(
  clientOptions: ReturnType<typeof natsClientOptions>,
  deadline: number,
  logger: NatsConnectionOptions['logger'],
): Promise<NatsConnection> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await connectOnce(clientOptions);
    } catch (error) {
      const untrusted = distrust(error, clientOptions.servers);
      if (untrusted !== undefined) throw untrusted;
      if (isRefusedForGood(error) || Date.now() >= deadline) throw error;
      if (attempt === 1) {
        logger.warn(
          { servers: clientOptions.servers, reason: (error as Error).message },
          'NATS does not answer yet, trying again',
        );
      }
      await delay(250);
    }
  }
}

/**
 * The codes of OpenSSL and Node.js for a certificate that is not accepted:
 * https://nodejs.org/api/tls.html#x509-certificate-error-codes.
 */
const CERTIFICATE_CODES =
  /^(?:UNABLE_TO_|CERT_|CRL_|INVALID_CA|INVALID_PURPOSE|SELF_SIGNED_|DEPTH_ZERO_|PATH_LENGTH_|HOSTNAME_MISMATCH|ERR_TLS_CERT_)/;

/**
 * The TLS error that makes the server unusable; undefined for any other error. Trying again does not help against it.
 */
function distrust(error: unknown, servers: readonly string[]): Error | undefined {
  const where = servers.join(', ');
  let cause = error as NodeJS.ErrnoException | undefined;
  for (; typeof cause === 'object'; cause = cause.cause as NodeJS.ErrnoException | undefined) {
    const { code } = cause;
    if (code !== undefined && CERTIFICATE_CODES.test(code)) {
      return mistake(
        `The certificate of the NATS server at ${where} is not trusted: ${cause.message} (${code}). ` +
          "BATUTA_NATS_TLS_CA names the file with its authority's certificate, and NATS_URL a host that the certificate is for.",
        error,
      );
    }
    if (/server does not support 'tls'|'tls' is not available on this server/.test(cause.message)) {
      return mistake(
        `The NATS server at ${where} has no TLS, and "tls://" in NATS_URL or BATUTA_NATS_TLS_CA asks for it.`,
        error,
      );
    }
  }
  return undefined;
}

/**
 * Connects to one of the servers. `reconnect` is on only once the connection stands. Otherwise the client hangs when
 * one of several servers accepts the connection and then refuses the credentials: it treats the refusal as a lost
 * connection and reconnects, while it also tries the next server.
 */
async function connectOnce(clientOptions: ReturnType<typeof natsClientOptions>): Promise<NatsConnection> {
  const nc = await connect({ ...clientOptions, reconnect: false });
  (nc as unknown as { options: { reconnect: boolean } }).options.reconnect = true;
  return nc;
}

function isRefusedForGood(error: unknown): boolean {
  return error instanceof Error && (isRefusal(error) || error.name === 'InvalidArgumentError');
}

/**
 * Whether the server refused the credentials. The client reports a `CONNECT` that came too late with the same error, so
 * that case is excluded.
 */
function isRefusal(error: Error): boolean {
  return (
    (error.name === 'AuthorizationError' || error.name === 'UserAuthenticationExpiredError') &&
    !/timeout/i.test(error.message)
  );
}
