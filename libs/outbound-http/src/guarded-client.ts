import { isIP } from 'node:net';
import type { LookupFunction } from 'node:net';
import { Agent as Dispatcher, buildConnector, errors, request } from 'undici';
import type { AddressPolicy } from './address-policy.js';
import { ACCEPTED_ENCODINGS, AnswerTooLargeError, decodedBody, UnreadableAnswerError } from './content-encoding.js';
import { FairGate } from '@batuta/collections';
import { HostNames } from './host-names.js';
import type { Resolve } from './host-names.js';

export interface CallOptions {
  /** The tenant for which the call is made. Tenants share neither connections nor places. */
  readonly tenantId: string;
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  /**
   * Names of headers that, like credentials, are sent to the URL's own origin only. They are left out after a redirect
   * to another origin.
   */
  readonly originHeaders?: readonly string[];
  readonly body?: string | undefined;
  /**
   * Whether the body, like credentials, may be sent to the URL's own origin only. A redirect that would send it to
   * another origin fails the call.
   */
  readonly originBody?: boolean;
  readonly signal: AbortSignal;
  /** Maximum size of the answer's body in bytes, also after decompression. */
  readonly maxBytes: number;
  /** What happens to a longer body: `fail` (the default) throws, `cut` stops reading and keeps the beginning. */
  readonly longBody?: 'fail' | 'cut';
  readonly maxRedirects: number;
  /**
   * Whether the call may reach the server twice. By default it may if its method allows that (RFC 9110, 9.2.2) or if it
   * has an `Idempotency-Key`.
   */
  readonly repeatable?: boolean;
}

export interface CallAnswer {
  readonly status: number;
  /** The values of a header that came several times are joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  /** The values of `Set-Cookie`, which cannot be joined by commas. */
  readonly cookies: readonly string[];
  readonly body: Buffer;
  /** The URL from which the answer came, after redirects. */
  readonly url: string;
  readonly redirects: number;
  /** Milliseconds until the whole body had arrived, including redirects. */
  readonly latencyMs: number;
}

/** An answer whose body is read as it comes. It is read to its end or cancelled: until then it has a place and a connection. */
export interface OpenAnswer extends Pick<CallAnswer, 'status' | 'headers' | 'url'> {
  /** Fails with `AnswerTooLargeError`, `UnreadableAnswerError`, the signal's reason, or what the network had to say. */
  readonly body: ReadableStream<Uint8Array>;
}

/**
 * The settings do not allow the address. The message is the same for all addresses, because the address of a name, and
 * its kind, would reveal the structure of the platform's network.
 */
export class AddressRefusedError extends Error {
  override readonly name = 'AddressRefusedError';

  /** @param detail Only for the operator's log. */
  constructor(readonly detail: string) {
    super('the address may not be called');
  }
}

/** Finds the refusal inside an error, however the client has wrapped it. */
export function addressRefusal(error: unknown): AddressRefusedError | undefined {
  if (error instanceof AddressRefusedError) return error;
  if (error instanceof AggregateError) return error.errors.map(addressRefusal).find((found) => found !== undefined);
  return error instanceof Error && error.cause !== undefined ? addressRefusal(error.cause) : undefined;
}

/** The request cannot be sent: its URL, method or a header is invalid. */
export class InvalidCallError extends Error {
  override readonly name = 'InvalidCallError';
}

/**
 * Why a call did not reach its host, in a few words. It leaves out addresses, because an error of the network names the
 * address that was tried.
 */
export function networkReason(error: unknown): string {
  // Checked by its form and not by its class: where tests run in a context of their own, errors of Node.js have another
  // `Error` class than this module.
  const {
    errors: several,
    message,
    name,
    code,
    syscall,
    address,
  } = (error ?? {}) as Partial<Record<'errors' | 'message' | 'name' | 'code' | 'syscall' | 'address', unknown>>;
  if (Array.isArray(several) && several.length > 0) return networkReason(several[0]);
  if (typeof message !== 'string') return String(error);
  if (typeof code === 'string' && typeof address === 'string') {
    return `${typeof syscall === 'string' ? `${syscall} ` : ''}${code}`;
  }
  return message === '' ? String(code ?? name ?? error) : message;
}

/** Safe or idempotent methods (RFC 9110, 9.2.2). */
const REPEATABLE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);
/** Codes of a connection that ended before an answer came. */
const CONNECTION_ENDED = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Headers that another origin must not see. */
const CREDENTIALS = new Set(['authorization', 'cookie', 'proxy-authorization']);
/** Headers that the client sets itself. Another value could make two servers read one request differently. */
const OWN_HEADERS = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'upgrade',
  'expect',
  'te',
  'trailer',
]);

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Number of running calls, in total and per tenant, and of waiting calls per tenant. */
const GATE = { total: 4_096, perTenant: 256, waiting: 4_096 };
/** Connections of one tenant to one origin: as many as calls, since an answer that is read as it comes has one for minutes. */
const CONNECTIONS = GATE.perTenant;
const KEEP_ALIVE_MS = 4_000;

/** The connections of one tenant. */
interface TenantConnections {
  readonly options: Dispatcher.Options;
  readonly dispatcher: Dispatcher;
  /** Number of connections that were opened to each origin so far. */
  readonly connected: Map<string, number>;
  calls: number;
  /** Closes the connections when the tenant has made no call for longer than a connection is kept. */
  idle: NodeJS.Timeout | undefined;
}

interface SentRequest {
  readonly tenant: TenantConnections;
  readonly url: URL;
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body: string | undefined;
  readonly repeatable: boolean;
  readonly signal: AbortSignal;
}

/**
 * An HTTP client for URLs that users name. It checks the address at each connection, including those for redirects, and
 * it checks the very address to which it then connects. So a DNS answer that changes between check and use has no
 * effect.
 */
export class GuardedClient {
  readonly #tenants = new Map<string, TenantConnections>();
  readonly #gate = new FairGate(GATE);
  readonly #policy: AddressPolicy;
  readonly #resolve: Resolve;

  constructor(policy: AddressPolicy, resolve: Resolve = new HostNames().resolve) {
    this.#policy = policy;
    this.#resolve = resolve;
  }

  /**
   * Makes one call and follows its redirects. It keeps no cookies. Throws `AddressRefusedError`, `AnswerTooLargeError`,
   * `UnreadableAnswerError`, `InvalidCallError`, `GateBusyError`, the signal's reason, or an error of the network.
   */
  async call(options: CallOptions): Promise<CallAnswer> {
    const { tenant, leave } = await this.#enter(options);
    try {
      return await this.#callFor(tenant, options);
    } finally {
      leave();
    }
  }

  /**
   * As `call`, with the body as it comes: what the server has sent can be read before it has sent everything. It asks for a body that is
   * not compressed; one that is compressed anyway is read as a whole. Throws as `call` does.
   */
  async open(options: Omit<CallOptions, 'longBody'>): Promise<OpenAnswer> {
    const { tenant, leave } = await this.#enter(options);
    try {
      const plain = { ...options, headers: { ...options.headers, 'accept-encoding': 'identity' } };
      const { answer, url } = await this.#answerFor(tenant, plain);
      const headers = flatHeaders(answer.headers);
      const encoding = headers['content-encoding'] ?? '';
      if (encoding !== '' && encoding !== 'identity') {
        const { raw } = await readBody(answer.body, options.maxBytes, 'fail');
        const whole = await decodedBody(raw, encoding, options.maxBytes);
        leave();
        return { status: answer.statusCode, headers, url: url.href, body: new Blob([whole]).stream() };
      }
      const body = openBody(answer.body, options.maxBytes, leave);
      return { status: answer.statusCode, headers, url: url.href, body };
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** A place for a call of a tenant, and its connections. */
  async #enter({ tenantId, signal }: CallOptions): Promise<{ tenant: TenantConnections; leave: () => void }> {
    const leaveGate = await this.#gate.enter(tenantId, signal);
    const tenant = this.#connectionsOf(tenantId);
    tenant.calls += 1;
    clearTimeout(tenant.idle);
    let entered = true;
    const leave = (): void => {
      if (!entered) return;
      entered = false;
      tenant.calls -= 1;
      if (tenant.calls === 0) this.#closeWhenIdle(tenantId, tenant);
      leaveGate();
    };
    return { tenant, leave };
  }

  async close(): Promise<void> {
    const tenants = [...this.#tenants.values()];
    this.#tenants.clear();
    for (const { idle } of tenants) clearTimeout(idle);
    await Promise.all(tenants.map(({ dispatcher }) => dispatcher.destroy()));
  }

  #connectionsOf(tenantId: string): TenantConnections {
    let tenant = this.#tenants.get(tenantId);
    if (tenant !== undefined) return tenant;
    const connected = new Map<string, number>();
    const options: Dispatcher.Options = {
      connect: this.#connector(tenantId, connected),
      connections: CONNECTIONS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: 32 * 1024,
    };
    tenant = { options, dispatcher: new Dispatcher(options), connected, calls: 0, idle: undefined };
    this.#tenants.set(tenantId, tenant);
    return tenant;
  }

  #closeWhenIdle(tenantId: string, tenant: TenantConnections): void {
    tenant.idle = setTimeout(() => {
      if (this.#tenants.get(tenantId) === tenant) this.#tenants.delete(tenantId);
      void tenant.dispatcher.destroy().catch(() => undefined);
    }, 2 * KEEP_ALIVE_MS).unref();
  }

  async #callFor(tenant: TenantConnections, options: CallOptions): Promise<CallAnswer> {
    const startedAt = performance.now();
    const { answer, url, redirects } = await this.#answerFor(tenant, options);
    const { raw, isCut } = await readBody(answer.body, options.maxBytes, options.longBody ?? 'fail');
    const flat = flatHeaders(answer.headers);
    const encoding = flat['content-encoding'] ?? '';
    return {
      status: answer.statusCode,
      headers: flat,
      cookies: [answer.headers['set-cookie'] ?? []].flat().map(headerText),
      body: await (options.longBody === 'cut'
        ? shownBody(raw, isCut, encoding, options.maxBytes)
        : decodedBody(raw, encoding, options.maxBytes)),
      url: url.href,
      redirects,
      latencyMs: Math.round((performance.now() - startedAt) * 100) / 100,
    };
  }

  /** The answer after redirects, with its body to be read. */
  async #answerFor(
    tenant: TenantConnections,
    options: CallOptions,
  ): Promise<{ answer: Awaited<ReturnType<typeof request>>; url: URL; redirects: number }> {
    let { method, body } = options;
    let headers = this.#checkedHeaders(options.headers);
    let url = this.#checkedUrl(options.url);
    const ofOrigin = new Set(options.originHeaders?.map((name) => name.toLowerCase()));
    for (let redirects = 0; ; redirects++) {
      const repeatable = options.repeatable ?? (REPEATABLE_METHODS.has(method) || 'idempotency-key' in headers);
      const answer = await this.#send({ tenant, url, method, headers, body, repeatable, signal: options.signal });
      const location = answer.headers['location'];
      if (!REDIRECTS.has(answer.statusCode) || location === undefined || options.maxRedirects === 0) {
        return { answer, url, redirects };
      }
      await answer.body.dump({ limit: 64 * 1024 });
      if (redirects >= options.maxRedirects) {
        throw new InvalidCallError(`more than ${options.maxRedirects} redirects`);
      }
      const next = this.#checkedUrl(escapedBytes([location].flat()[0] ?? ''), url);
      // RFC 9110, 10.2.2: the redirected URL inherits the fragment.
      if (next.hash === '') next.hash = url.hash;
      if (next.origin !== url.origin) headers = withoutCredentials(headers, ofOrigin);
      // RFC 9110, 15.4: a 303 is followed with GET. Clients do the same for a 301 or 302 that answers a POST.
      if (answer.statusCode === 303 ? method !== 'HEAD' : answer.statusCode < 303 && method === 'POST') {
        method = 'GET';
        body = undefined;
        headers = withoutBodyHeaders(headers);
      }
      if (body !== undefined && options.originBody === true && next.origin !== url.origin) {
        throw new InvalidCallError(
          `${url.host} redirects to ${next.host}, which may not get the body: it holds a secret or is meant for one host`,
        );
      }
      url = next;
    }
  }

  /**
   * Sends a request. A server may close a kept connection just when the next request is sent on it. Such a request is
   * sent once more on a new connection, if it may reach the server twice.
   */
  async #send(sent: SentRequest): Promise<Awaited<ReturnType<typeof request>>> {
    const { tenant, url, signal } = sent;
    const before = tenant.connected.get(url.origin);
    try {
      return await this.#sendOnce(sent, true);
    } catch (error) {
      signal.throwIfAborted();
      const noneWasMade = before !== undefined && tenant.connected.get(url.origin) === before;
      const wasKept = noneWasMade || bytesReadBefore(error) > 0;
      if (sent.repeatable && wasKept && CONNECTION_ENDED.has(codeOf(error))) return this.#sendOnce(sent, false);
      throw error;
    }
  }

  async #sendOnce(sent: SentRequest, keep: boolean): Promise<Awaited<ReturnType<typeof request>>> {
    const { tenant, url, method, headers, body, signal } = sent;
    const dispatcher = keep ? tenant.dispatcher : new Dispatcher({ ...tenant.options, pipelining: 0 });
    try {
      return await request(url, {
        method,
        headers,
        body: body ?? null,
        signal,
        dispatcher,
        // The attempt's own time limit is shorter. These limits only keep a forgotten connection from lasting without
        // end.
        headersTimeout: 600_000,
        bodyTimeout: 600_000,
      });
    } catch (error) {
      signal.throwIfAborted();
      const code = codeOf(error);
      if (code === 'UND_ERR_INVALID_ARG') {
        throw new InvalidCallError((error as Error).message, { cause: error });
      }
      if (error instanceof errors.HTTPParserError || code === 'UND_ERR_HEADERS_OVERFLOW') {
        throw new UnreadableAnswerError(`the answer is not HTTP: ${(error as Error).message}`, { cause: error });
      }
      throw error;
    } finally {
      // Runs in the background and waits for the answer's body.
      if (!keep) void dispatcher.close().catch(() => undefined);
    }
  }

  #checkedUrl(text: string, base?: URL): URL {
    if (!URL.canParse(text, base?.href)) throw new InvalidCallError(`"${text.slice(0, 200)}" is not a URL`);
    const url = new URL(text, base);
    if (url.protocol !== 'http:' && url.protocol !== 'https:') {
      throw new InvalidCallError(`only http and https are allowed, not ${url.protocol.slice(0, -1)}`);
    }
    if (url.username !== '' || url.password !== '') {
      throw new InvalidCallError('credentials belong in the Authorization header, not in the URL');
    }
    return url;
  }

  #checkedHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
    const checked: Record<string, string> = { 'accept-encoding': ACCEPTED_ENCODINGS, 'user-agent': 'batuta' };
    for (const [given, text] of Object.entries(headers)) {
      const name = given.toLowerCase();
      // As in fetch: white space around a value, such as a line end from a file, does not belong to the value.
      const value = text.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '');
      if (!HEADER_NAME.test(name)) throw new InvalidCallError(`"${given.slice(0, 100)}" is not the name of a header`);
      if (OWN_HEADERS.has(name)) throw new InvalidCallError(`the header ${given} is set by the client itself`);
      if (!HEADER_VALUE.test(value)) {
        throw new InvalidCallError(`the header ${given} holds a line break or a character that no header can hold`);
      }
      checked[name] = value;
    }
    return checked;
  }

  #connector(tenantId: string, connected: Map<string, number>): buildConnector.connector {
    const connectors = new Map<number, buildConnector.connector>();
    return (options, callback) => {
      const port = Number(options.port !== '' ? options.port : options.protocol === 'https:' ? 443 : 80);
      const host = options.hostname.replace(/^\[|\]$/g, '');
      // An address in the URL is connected to without a lookup, so it is checked here.
      if (isIP(host) !== 0) {
        const refusal = this.#policy.refusal(host, port);
        if (refusal !== undefined) {
          callback(new AddressRefusedError(refusal), null);
          return;
        }
      }
      let connect = connectors.get(port);
      if (connect === undefined) {
        connect = buildConnector({ lookup: this.#lookupFor(tenantId, port), timeout: 30_000 });
        if (connectors.size < 256) connectors.set(port, connect);
      }
      connect(options, (...result) => {
        if (result[0] === null) {
          const { origin } = new URL(`${options.protocol}//${isIP(host) === 6 ? `[${host}]` : host}:${port}`);
          // Losing the counts only costs one repeat.
          if (connected.size >= 1_000) connected.clear();
          connected.set(origin, (connected.get(origin) ?? 0) + 1);
        }
        callback(...result);
      });
    };
  }

  #lookupFor(tenantId: string, port: number): LookupFunction {
    return (hostname, options, callback) => {
      const { family } = options;
      this.#resolve(hostname, { all: true, family, tenantId }, (error, addresses) => {
        if (error !== null) {
          callback(error, '', 0);
          return;
        }
        const refusals = addresses.map(({ address }) => this.#policy.refusal(address, port));
        const allowed = addresses.filter((_, index) => refusals[index] === undefined);
        const [first] = allowed;
        if (first === undefined) {
          callback(new AddressRefusedError(`${hostname}: ${refusals[0] ?? 'no address'}`), '', 0);
        } else if (options.all === true) {
          callback(null, allowed);
        } else {
          callback(null, first.address, first.family);
        }
      });
    };
  }
}

function withoutCredentials(headers: Record<string, string>, ofOrigin: ReadonlySet<string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !CREDENTIALS.has(name) && !ofOrigin.has(name)));
}

function withoutBodyHeaders(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('content-')));
}

function flatHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, [value ?? ''].flat().map(headerText).join(', ')]),
  );
}

const utf8 = new TextDecoder('utf-8', { fatal: true });
// eslint-disable-next-line no-control-regex -- what is not ASCII is what it looks for
const NOT_ASCII = /[^\x00-\x7f]/;

/**
 * undici returns a header's bytes as Latin-1. Servers that send more than ASCII mean UTF-8, so it is decoded as UTF-8
 * if that is possible.
 */
function headerText(value: string): string {
  if (!NOT_ASCII.test(value)) return value;
  try {
    return utf8.decode(Buffer.from(value, 'latin1'));
  } catch {
    return value;
  }
}

/** Percent-encodes the non-ASCII bytes of a `Location`, as browsers and curl do. */
function escapedBytes(location: string): string {
  return location.replaceAll(
    /[\x80-\xff]/g,
    (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
}

function codeOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : '';
}

/** Number of bytes that the connection of a failed request had received; 0 when that is unknown. */
function bytesReadBefore(error: unknown): number {
  const { socket } = error as { socket?: { bytesRead?: unknown } };
  return typeof socket?.bytesRead === 'number' ? socket.bytesRead : 0;
}

/**
 * The body for callers that only show it: decompressed if that is possible. The beginning of a cut body cannot be
 * decompressed.
 */
async function shownBody(raw: Buffer, isCut: boolean, encoding: string, maxBytes: number): Promise<Buffer> {
  if (isCut) return raw;
  try {
    return await decodedBody(raw, encoding, maxBytes);
  } catch (error) {
    if (error instanceof AnswerTooLargeError || error instanceof UnreadableAnswerError) return raw;
    throw error;
  }
}

async function readBody(
  stream: AsyncIterable<Buffer> & { destroy(error?: Error): unknown },
  maxBytes: number,
  longBody: 'fail' | 'cut',
): Promise<{ raw: Buffer; isCut: boolean }> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    chunks.push(chunk);
    if (size <= maxBytes) continue;
    if (longBody === 'fail') throw new AnswerTooLargeError(`the answer is larger than ${maxBytes} bytes`);
    // Leaving the loop destroys the stream and its connection, so that the rest is not received.
    return { raw: Buffer.concat(chunks).subarray(0, maxBytes), isCut: true };
  }
  return { raw: Buffer.concat(chunks), isCut: false };
}

/** A body as it comes; `done` is called once, when it was read to its end, has failed or is not wanted. */
function openBody(
  stream: AsyncIterable<Buffer> & { destroy(error?: Error): unknown },
  maxBytes: number,
  done: () => void,
): ReadableStream<Uint8Array> {
  const chunks = stream[Symbol.asyncIterator]();
  let size = 0;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const next = await chunks.next();
          if (next.done === true) {
            controller.close();
            done();
            return;
          }
          size += next.value.length;
          if (size > maxBytes) throw new AnswerTooLargeError(`the answer is larger than ${maxBytes} bytes`);
          controller.enqueue(next.value);
        } catch (error) {
          stream.destroy();
          done();
          throw error;
        }
      },
      cancel() {
        stream.destroy();
        done();
      },
    },
    { highWaterMark: 0 },
  );
}
