import { lookup as systemLookup } from 'node:dns';
import type { LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import type { LookupFunction } from 'node:net';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import { Agent as Dispatcher, buildConnector, request } from 'undici';
import type { AddressPolicy } from './address-policy.js';

export interface CallOptions {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly signal: AbortSignal;
  /** Bytes of the answer's body, also after decompression. */
  readonly maxBytes: number;
  /** What becomes of a longer body: `fail` (the default) throws, `cut` reads no further and keeps the beginning. */
  readonly longBody?: 'fail' | 'cut';
  readonly maxRedirects: number;
}

export interface CallAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Where the answer came from, after redirects. */
  readonly url: string;
  readonly redirects: number;
  /** Milliseconds until the whole body was there, redirects included. */
  readonly latencyMs: number;
}

/** The address is one that the settings do not allow. */
export class AddressRefusedError extends Error {
  override readonly name = 'AddressRefusedError';
}

/** The refusal inside an error, however the client has wrapped it. */
export function addressRefusal(error: unknown): string | undefined {
  if (error instanceof AddressRefusedError) return error.message;
  if (error instanceof AggregateError) return error.errors.map(addressRefusal).find((found) => found !== undefined);
  return error instanceof Error && error.cause !== undefined ? addressRefusal(error.cause) : undefined;
}

/** The answer is larger than asked for. */
export class AnswerTooLargeError extends Error {
  override readonly name = 'AnswerTooLargeError';
}

/** The request itself cannot be made: its URL, method or a header is wrong. */
export class InvalidCallError extends Error {
  override readonly name = 'InvalidCallError';
}

export type Resolve = (
  hostname: string,
  options: { all: true; family?: number | 'IPv4' | 'IPv6' | undefined },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Not for another origin's eyes. */
const CREDENTIALS = new Set(['authorization', 'cookie', 'proxy-authorization']);
/** Set by the client from the call itself; another value would let two servers read one request differently. */
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

/**
 * An HTTP client for calls that users name. Which address a connection goes to is decided when it is made, on the address
 * that DNS gave for this very connection, for each redirect anew: an answer that changes between check and use passes
 * nothing.
 */
export class GuardedClient {
  private readonly dispatcher: Dispatcher;

  constructor(
    private readonly policy: AddressPolicy,
    private readonly resolve: Resolve = systemLookup,
  ) {
    this.dispatcher = new Dispatcher({
      connect: this.connector(),
      connections: 64,
      keepAliveTimeout: 4_000,
      maxHeaderSize: 32 * 1024,
    });
  }

  /**
   * Makes one call and follows its redirects. Throws `AddressRefusedError`, `AnswerTooLargeError`, `InvalidCallError`, the
   * signal's reason, or what the network had to say.
   */
  async call(options: CallOptions): Promise<CallAnswer> {
    const startedAt = performance.now();
    let { method, body } = options;
    let headers = this.checkedHeaders(options.headers);
    let url = this.checkedUrl(options.url);
    for (let redirects = 0; ; redirects++) {
      const answer = await this.send(url, method, headers, body, options.signal);
      const location = answer.headers['location'];
      if (!REDIRECTS.has(answer.statusCode) || location === undefined || options.maxRedirects === 0) {
        const { raw, isCut } = await readBody(answer.body, options.maxBytes, options.longBody ?? 'fail');
        const flat = flatHeaders(answer.headers);
        return {
          status: answer.statusCode,
          headers: flat,
          // The beginning of a compressed body cannot be decompressed.
          body: isCut ? raw : await decoded(raw, flat['content-encoding'], options.maxBytes),
          url: url.href,
          redirects,
          latencyMs: Math.round((performance.now() - startedAt) * 100) / 100,
        };
      }
      await answer.body.dump({ limit: 64 * 1024 });
      if (redirects >= options.maxRedirects) {
        throw new InvalidCallError(`more than ${options.maxRedirects} redirects`);
      }
      const next = this.checkedUrl(String(Array.isArray(location) ? location[0] : location), url);
      if (next.origin !== url.origin) headers = withoutCredentials(headers);
      // RFC 9110, 15.4: 303 is fetched with GET; for 301 and 302 that is what everybody does after a POST.
      if (answer.statusCode === 303 ? method !== 'HEAD' : answer.statusCode < 303 && method === 'POST') {
        method = 'GET';
        body = undefined;
        headers = withoutBodyHeaders(headers);
      }
      url = next;
    }
  }

  close(): Promise<void> {
    return this.dispatcher.destroy();
  }

  private async send(
    url: URL,
    method: string,
    headers: Record<string, string>,
    body: string | undefined,
    signal: AbortSignal,
  ): Promise<Awaited<ReturnType<typeof request>>> {
    try {
      return await request(url, {
        method,
        headers,
        body: body ?? null,
        signal,
        dispatcher: this.dispatcher,
        // The attempt's own time limit rules; these only keep a forgotten connection from lasting for ever.
        headersTimeout: 600_000,
        bodyTimeout: 600_000,
      });
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof Error && 'code' in error && error.code === 'UND_ERR_INVALID_ARG') {
        throw new InvalidCallError(error.message, { cause: error });
      }
      throw error;
    }
  }

  private checkedUrl(text: string, base?: URL): URL {
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

  private checkedHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
    const own = Object.keys(headers).find((name) => OWN_HEADERS.has(name.toLowerCase()));
    if (own !== undefined) throw new InvalidCallError(`the header ${own} is set by the client itself`);
    return { 'accept-encoding': 'gzip, deflate, br', 'user-agent': 'batuta', ...lowerCased(headers) };
  }

  private connector(): buildConnector.connector {
    const connectors = new Map<number, buildConnector.connector>();
    return (options, callback) => {
      const port = Number(options.port !== '' ? options.port : options.protocol === 'https:' ? 443 : 80);
      const host = options.hostname.replace(/^\[|\]$/g, '');
      // A literal address is connected to without a lookup.
      if (isIP(host) !== 0) {
        const refusal = this.policy.refusal(host, port);
        if (refusal !== undefined) {
          callback(new AddressRefusedError(refusal), null);
          return;
        }
      }
      let connect = connectors.get(port);
      if (connect === undefined) {
        connect = buildConnector({ lookup: this.lookupFor(port), timeout: 30_000 });
        if (connectors.size < 256) connectors.set(port, connect);
      }
      connect(options, callback);
    };
  }

  private lookupFor(port: number): LookupFunction {
    return (hostname, options, callback) => {
      const { family } = options;
      this.resolve(hostname, { all: true, family }, (error, addresses) => {
        if (error !== null) {
          callback(error, '', 0);
          return;
        }
        const refusals = addresses.map(({ address }) => this.policy.refusal(address, port));
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

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

function withoutCredentials(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !CREDENTIALS.has(name)));
}

function withoutBodyHeaders(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('content-')));
}

function flatHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]),
  );
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
    // Leaving the loop destroys the stream, and with it the connection that the rest would come on.
    return { raw: Buffer.concat(chunks).subarray(0, maxBytes), isCut: true };
  }
  return { raw: Buffer.concat(chunks), isCut: false };
}

const DECODERS: Readonly<Record<string, (raw: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>>> = {
  gzip: promisify(gunzip) as (raw: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>,
  deflate: promisify(inflate) as (raw: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>,
  br: promisify(brotliDecompress) as (raw: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>,
};

async function decoded(raw: Buffer, encoding: string | undefined, maxBytes: number): Promise<Buffer> {
  const name = encoding?.trim().toLowerCase() ?? '';
  const decode = Object.hasOwn(DECODERS, name) ? DECODERS[name] : undefined;
  if (decode === undefined || raw.length === 0) return raw;
  try {
    return await decode(raw, { maxOutputLength: maxBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
      throw new AnswerTooLargeError(`the answer is larger than ${maxBytes} bytes`);
    throw error;
  }
}
