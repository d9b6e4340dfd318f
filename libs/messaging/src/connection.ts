import { LIMITS, inboxPrefix } from '@batuta/contracts';
import { natsServers } from '@batuta/settings';
import { createInbox, credsAuthenticator } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/nats-core';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { gatherWrites } from './gather-writes.js';
import type { Line, Log } from './log.js';

export interface NatsConnectionOptions {
  /** `nats://user:password@host:4222`, several separated by commas. */
  readonly url: string;
  /** A file of NATS credentials (`NATS_CREDS`), read at each connect; default: what the URL says. */
  readonly credentials?: string | undefined;
  /**
   * A file with certificates, in PEM, of those who may vouch for the server (`BATUTA_NATS_TLS_CA`), read at each connect. Only a
   * server with TLS is taken then. Default: the authorities that Node.js knows, for a server that wants TLS or a URL with `tls://`.
   */
  readonly tlsCa?: string | undefined;
  /** Shown by the server's monitoring. */
  readonly name: string;
  readonly logger: Log;
  /** Milliseconds to wait for a server that does not answer yet at the first connect. Default 30,000. */
  readonly firstConnectMs?: number;
}

/** Client options that every connection of the platform shares, Nest's own included. */
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
    // Else the client closes for good at the second refusal in its life, and takes for one what a machine that is slow for
    // two seconds gets: "Authentication Timeout". What is refused on and on is told by `onLost`.
    ignoreAuthErrorAbort: true,
  };
}

/** An error that a program shows without a stack (`mistakeOf` of @batuta/program). */
function mistake(message: string, cause?: unknown): Error {
  return Object.assign(new Error(message, { cause }), { mistake: true });
}

/** The file, when there are certificates in it. Throws when not; what it says then is fit to be shown. */
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
 * The authenticator for a credentials file, and the inbox prefix of its user. Throws when the file cannot be read or holds no
 * credentials; what it says then is fit to be shown.
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
    // Told below.
  }
  if (typeof user !== 'string' || user === '') throw mistake(`${file} holds no NATS credentials (NATS_CREDS).`);
  return {
    // A file that was replaced holds for the next connect.
    authenticator: credsAuthenticator(() => readFileSync(file)),
    inboxPrefix: inboxPrefix(user),
  };
}

/** A new subject for answers to this connection, which its user may subscribe to. */
export function newInbox(nc: NatsConnection): string {
  return createInbox((nc as unknown as { options?: { inboxPrefix?: string } }).options?.inboxPrefix);
}

/** How long the server may refuse the credentials until a connection counts as lost: longer than a mistake in its file lives. */
const REFUSED_MS = 60_000;

/** What a connection is doing now; `undefined` for one that was not made by `connectNats`. */
interface ConnectionWatch {
  connected: boolean;
  /** When the server refused the credentials first, by `performance.now()`; undefined when it has taken them since. */
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
        // It is tried again four times a second.
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

/** Whether the connection is up right now; while it is not, what is published waits in memory. */
export function isConnected(nc: NatsConnection): boolean {
  return watchOf(nc).connected && !nc.isClosed();
}

/** Calls `listener` after each reconnect; returns how to stop that. What was in flight before is lost by then. */
export function onReconnect(nc: NatsConnection, listener: () => void): () => void {
  const { reconnected } = watchOf(nc);
  reconnected.add(listener);
  return () => reconnected.delete(listener);
}

/** Whether a server answers over a connection. */
export interface Reach {
  /** For how long it has not answered; undefined while it does, and until it has not for `afterMs`. */
  cutOffMs(): number | undefined;
  stop(): void;
}

/** Pings that go unanswered within the time after which a connection counts as cut off. */
const PINGS = 5;

/**
 * Pings the server on and on, and calls `changed` when it has not answered for `afterMs`, and when it answers again. The client
 * itself notices a pulled cable after 10 to 15 s only. What a process does not count is the time in which it stood still.
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
      // Pings of a connection that has ended are refused: the next goes over the new one.
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
 * Calls `listener` at most once, when the connection will not come back: it was closed for good, but not by its own side,
 * or the server has refused the credentials for `refusedMs` milliseconds, without having taken them in between. Whoever
 * serves others over it serves nobody from then on.
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
 * What a service does when its connection is lost, unless told: the process ends, with exit code 1. Whoever supervises it
 * starts it again, then with the credentials of that time.
 */
export function endProcess(logger: { readonly fatal: Line }): (error: Error) => void {
  return (error) => {
    logger.fatal({ err: error }, 'the connection to NATS is lost for good: the process ends');
    process.exit(1);
  };
}

/**
 * Connects to NATS and stays connected: reconnects for ever, 250 ms apart, and pings every 5 s.
 * Throws when no server answers within `firstConnectMs`, when the credentials are refused, when the server has no TLS and should
 * have, or a certificate that nobody vouches for, and when its `max_payload` is below 8 MiB.
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
  // The first of those that hear of it, and before anything is sent.
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
        logger.warn({ servers: clientOptions.servers, err: error }, 'nats does not answer yet, trying on');
      }
      await delay(250);
    }
  }
}

/** What OpenSSL and Node.js say of a certificate that they do not take: https://nodejs.org/api/tls.html#x509-certificate-error-codes. */
const CERTIFICATE_CODES =
  /^(?:UNABLE_TO_|CERT_|CRL_|INVALID_CA|INVALID_PURPOSE|SELF_SIGNED_|DEPTH_ZERO_|PATH_LENGTH_|HOSTNAME_MISMATCH|ERR_TLS_CERT_)/;

/** Why the server is not one to talk to, as far as TLS tells; undefined when it is something else. Trying on changes nothing. */
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
 * Connects to one of the servers. The client itself dials twice at once, and hangs, when one of several servers takes the
 * connection and then refuses it: it takes the end of that for the loss of a connection and reconnects, while it goes on to the
 * next. So it reconnects only from when it is connected.
 */
async function connectOnce(clientOptions: ReturnType<typeof natsClientOptions>): Promise<NatsConnection> {
  const nc = await connect({ ...clientOptions, reconnect: false });
  (nc as unknown as { options: { reconnect: boolean } }).options.reconnect = true;
  return nc;
}

function isRefusedForGood(error: unknown): boolean {
  return error instanceof Error && (isRefusal(error) || error.name === 'InvalidArgumentError');
}

/** Whether the server does not take the credentials; the client says the same of a `CONNECT` that came too late. */
function isRefusal(error: Error): boolean {
  return (
    (error.name === 'AuthorizationError' || error.name === 'UserAuthenticationExpiredError') &&
    !/timeout/i.test(error.message)
  );
}
