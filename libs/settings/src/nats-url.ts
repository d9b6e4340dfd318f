import type { Secret } from './secret.js';

/** What a NATS client needs to connect: hosts without credentials, and the credentials apart. */
export interface NatsServers {
  readonly servers: string[];
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  /** There when a URL begins with `tls://`: the client then takes no server without TLS. */
  readonly tls?: Record<string, never>;
}

/**
 * Splits a NATS URL (`nats://user:password@host:4222`, or `nats://token@host`; several separated by commas) into the
 * `servers`, `user`, `pass` and `token` options of the client, which itself ignores credentials in a URL.
 *
 * The first URL's credentials hold for all. Throws a `TypeError` that does not repeat the URL.
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
    throw new TypeError('The NATS URL must look like nats://user:password@host:4222, several separated by commas.');
  }
  const hosts = {
    servers: parsed.map((part) => `${part?.protocol}//${part?.host}`),
    // For all servers: one without TLS would get what the others may not.
    ...(parsed.some((part) => part?.protocol === 'tls:') ? { tls: {} } : {}),
  };
  const user = decodeURIComponent(first.username);
  if (user === '') return hosts;
  return first.password === ''
    ? { ...hosts, token: user }
    : { ...hosts, user, pass: decodeURIComponent(first.password) };
}

/** How a service reaches NATS: what its settings say of it. */
export interface NatsSettings {
  readonly natsUrl: Secret;
  readonly natsCredentials?: string | undefined;
  readonly natsTlsCa?: string | undefined;
}

/** The options of a service's connections to NATS, but for their names: URL, file of credentials, file of certificates. */
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
 * The file of a service's NATS credentials. In `NATS_CREDS`, `{service}` stands for the service's name, so that services which
 * share their environment can have credentials of their own.
 */
export function natsCredentialsFile(setting: string | undefined, service: string): string | undefined {
  return setting?.replaceAll('{service}', service);
}
