import type { Secret } from './secret.js';

/** The connection options for a NATS client: hosts without credentials, and the credentials separately. */
interface NatsServers {
  readonly servers: string[];
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  /** Present when a URL begins with `tls://`. The client then accepts only servers with TLS. */
  readonly tls?: Record<string, never>;
}

/**
 * Splits a NATS URL (`nats://user:password@host:4222` or `nats://token@host`; several separated by commas) into the
 * client's options `servers`, `user`, `pass` and `token`. The client itself ignores credentials in a URL.
 *
 * The first URL's credentials are used for all servers. Throws a `TypeError` that does not repeat the URL.
 */
export function natsServers(natsUrl: string): NatsServers {
  const urls = natsUrl
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => (part.includes('://') ? part : `nats://${part}`));
  const parsed = urls.map((part) => (URL.canParse(part) ? new URL(part) : undefined));
  const first = parsed[0];
  if (first === undefined || parsed.some((part) => part === undefined || part.hostname === '')) {
    const message = 'The NATS URL must look like nats://user:password@host:4222, several separated by commas.';
    // A program shows it without a stack trace (see `mistakeOf` of @batuta/program).
    throw Object.assign(new TypeError(message), { mistake: true });
  }
  const hosts = {
    servers: parsed.map((part) => `${part?.protocol}//${part?.host}`),
    // It applies to all servers: a server without TLS would get data that must be encrypted.
    ...(parsed.some((part) => part?.protocol === 'tls:') ? { tls: {} } : {}),
  };
  const user = decodeURIComponent(first.username);
  if (user === '') return hosts;
  return first.password === ''
    ? { ...hosts, token: user }
    : { ...hosts, user, pass: decodeURIComponent(first.password) };
}

/** The settings that tell how a service reaches NATS. */
interface NatsSettings {
  readonly natsUrl: Secret;
  readonly natsCredentials?: string | undefined;
  readonly natsTlsCa?: string | undefined;
}

/** The options of a service's connections to NATS without the name: URL, credentials file, certificates file. */
export function natsAccessOf(
  settings: NatsSettings,
  service: string,
): { readonly url: string; readonly credentials: string | undefined; readonly tlsCa: string | undefined } {
  return {
    url: settings.natsUrl.reveal(),
    credentials: natsCredentialsFile(settings.natsCredentials, service),
    tlsCa: settings.natsTlsCa,
  };
}

/**
 * The file of a service's NATS credentials. In `NATS_CREDS`, `{service}` stands for the service's name, so that
 * services with the same environment can have different credentials.
 */
export function natsCredentialsFile(setting: string | undefined, service: string): string | undefined {
  return setting?.replaceAll('{service}', service);
}
