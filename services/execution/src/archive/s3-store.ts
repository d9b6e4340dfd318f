import { ArchiveError, isArchiveName, requireReadable } from './archive-store.js';
import type { ArchiveStore } from './archive-store.js';
import { encoded, signed } from './s3-signature.js';
import type { S3Credentials, S3Request } from './s3-signature.js';

interface S3StoreOptions {
  /** The bucket is in the path, because every S3-compatible server accepts that. */
  readonly endpoint: URL;
  readonly region: string;
  readonly bucket: string;
  /** The beginning of every name, without slashes around it. May be empty. */
  readonly prefix: string;
  readonly credentials: S3Credentials;
}

const TIMEOUT_MS = 30_000;
const MOST_ERROR_CHARACTERS = 300;
const NOT_FOUND = 404;

/** Archive files in a bucket of S3, or of a compatible server. One request writes one file, and such a store writes all of it or nothing. */
export class S3Store implements ArchiveStore {
  readonly #options: S3StoreOptions;

  constructor(options: S3StoreOptions) {
    this.#options = options;
  }

  get where(): string {
    const { bucket, prefix, endpoint } = this.#options;
    return `s3://${bucket}${prefix === '' ? '' : `/${prefix}`} at ${endpoint.host}`;
  }

  async put(name: string, bytes: Buffer): Promise<void> {
    const headers = { 'content-type': 'application/gzip' };
    await this.#ask({ method: 'PUT', url: this.#url(this.#key(name)), headers, body: bytes });
  }

  async get(name: string): Promise<Buffer | undefined> {
    const answer = await this.#ask({ method: 'GET', url: this.#url(this.#key(name)) });
    // A missing bucket must not look like a missing file.
    if (typeof answer === 'string') {
      if (answer.includes('NoSuchBucket')) throw new ArchiveError(`there is no bucket ${this.#options.bucket}`);
      return undefined;
    }
    return answer;
  }

  async remove(name: string): Promise<void> {
    await this.#ask({ method: 'DELETE', url: this.#url(this.#key(name)) });
  }

  async *list(tenantId: string): AsyncGenerator<string> {
    const start = this.#key('');
    for (let token = ''; ;) {
      const url = this.#url('');
      const query = {
        'list-type': '2',
        prefix: `${start}${tenantId}/`,
        ...(token === '' ? {} : { 'continuation-token': token }),
      };
      url.search = Object.entries(query)
        .map(([key, value]) => `${key}=${encoded(value)}`)
        .join('&');
      const answer = await this.#ask({ method: 'GET', url });
      if (typeof answer === 'string') throw new ArchiveError(`there is no bucket ${this.#options.bucket}`);
      const page = answer.toString();
      for (const [, key = ''] of page.matchAll(/<Key>([^<]*)<\/Key>/g)) {
        const name = key.slice(start.length);
        if (isArchiveName(name)) yield name;
      }
      token = unescaped(/<NextContinuationToken>([^<]*)<\/NextContinuationToken>/.exec(page)?.[1] ?? '');
      if (token === '') return;
    }
  }

  #key(name: string): string {
    if (name !== '' && !isArchiveName(name)) throw new ArchiveError(`"${name}" is no name of an archive file`);
    const { prefix } = this.#options;
    return prefix === '' ? name : `${prefix}/${name}`;
  }

  #url(key: string): URL {
    const { endpoint, bucket } = this.#options;
    const path = [...endpoint.pathname.split('/').filter((part) => part !== ''), bucket, ...key.split('/')];
    return new URL(`/${path.map(encoded).join('/')}`, endpoint);
  }

  /** The body of the answer, or the text of a 404. Throws for every other error. */
  async #ask(request: S3Request): Promise<Buffer | string> {
    const { credentials, region } = this.#options;
    const { host: _host, ...headers } = signed(request, credentials, region, Date.now());
    const answer = await fetch(request.url, {
      method: request.method,
      headers,
      ...(request.body === undefined ? {} : { body: new Uint8Array(request.body) }),
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).catch((error: unknown) => {
      const cause = (error as { cause?: Error }).cause ?? (error as Error);
      throw new ArchiveError(`${this.where} does not answer: ${cause.message}`, { cause: error });
    });
    requireReadable(request.url.pathname, Number(answer.headers.get('content-length') ?? 0));
    const body = Buffer.from(await answer.arrayBuffer());
    if (answer.ok) return body;
    if (answer.status === NOT_FOUND && request.method !== 'PUT') return body.toString();
    const said = body.toString().slice(0, MOST_ERROR_CHARACTERS);
    throw new ArchiveError(`${this.where} answered ${request.method} with ${answer.status}: ${said}`);
  }
}

function unescaped(text: string): string {
  return text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&apos;', "'")
    .replaceAll('&amp;', '&');
}
