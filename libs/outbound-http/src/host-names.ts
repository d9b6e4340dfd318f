import { Resolver } from 'node:dns/promises';
import type { LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { FairGate, GateBusyError } from '@batuta/collections';
import { candidates, SYSTEM_FILES, SystemNamesReader } from './system-names.js';
import type { SystemFiles } from './system-names.js';

/** Finds the addresses of a name for a tenant. */
export type Resolve = (
  hostname: string,
  options: { all: true; family?: number | 'IPv4' | 'IPv6' | undefined; tenantId: string },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

interface HostNamesOptions {
  /** Name servers in the form of `dns.setServers`. Default: those of /etc/resolv.conf. */
  readonly servers?: readonly string[];
  /** Milliseconds for a whole lookup, including the wait for a turn. */
  readonly timeoutMs?: number;
  readonly files?: SystemFiles;
}

/** The tenant id for names that the platform itself looks up, such as its SMTP server. */
const PLATFORM_TENANT = '';

const DEFAULT_TIMEOUT_MS = 5_000;
const TRIES = 2;
/**
 * Number of lookups at the same time, in total and per tenant. A name server that is slow for one tenant's names
 * occupies only that tenant's share.
 */
const GATE = { total: 1_024, perTenant: 32, waiting: 1_024 };
const MOST_TENANTS = 1_000;
const NAMES_PER_TENANT = 256;
/** A longer time to live is reduced, so that an address that has moved is found again. */
const LONGEST_TTL_MS = 300_000;
/**
 * How long to wait for the other address family once one has answered. (RFC 8305, 3, gives 50 ms to a connection, but a
 * name server may be far away.)
 */
const OTHER_FAMILY_MS = 250;
/** The server has no record of the name. Other names of the search list may still exist. */
const NOT_THERE = new Set(['ENOTFOUND', 'ENODATA', 'EBADNAME', 'EBADRESP', 'ESERVFAIL', 'EREFUSED', 'EFORMERR']);
const LOCALHOST: readonly LookupAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
];

interface Found {
  readonly addresses: readonly LookupAddress[];
  readonly ttlMs: number;
}

interface TenantNames {
  readonly known: Map<string, { readonly addresses: readonly LookupAddress[]; readonly until: number }>;
  readonly underWay: Map<string, Promise<readonly LookupAddress[]>>;
}

/**
 * Finds the addresses of host names without `getaddrinfo`. That function blocks one of the four threads that the whole
 * process has for files and names, until a name server answers. Here a DNS query costs a packet and a timer.
 *
 * A name is looked up in /etc/hosts first, then in DNS with the search list of /etc/resolv.conf, as resolv.conf(5)
 * describes. Answers are cached per tenant for their time to live. Each tenant has a share of the lookups that run at
 * the same time.
 */
export class HostNames {
  readonly #servers: readonly string[];
  readonly #timeoutMs: number;
  readonly #system: SystemNamesReader;
  readonly #gate = new FairGate(GATE);
  /** The tenant with the latest lookup is last. */
  readonly #tenants = new Map<string, TenantNames>();
  #resolver: Resolver;

  /** Throws a `TypeError` for a server that is not an address. */
  constructor({ servers = [], timeoutMs = DEFAULT_TIMEOUT_MS, files = SYSTEM_FILES }: HostNamesOptions = {}) {
    this.#servers = servers;
    this.#timeoutMs = timeoutMs;
    this.#resolver = this.#newResolver();
    this.#system = new SystemNamesReader(files, () => {
      this.#resolver = this.#newResolver();
    });
  }

  /**
   * The addresses of a name, at least one. Throws an error with a `code`: `ENOTFOUND`, `ETIMEOUT`, `EBUSY` or another
   * code of DNS.
   */
  async addresses(tenantId: string, hostname: string): Promise<readonly LookupAddress[]> {
    const name = hostname.toLowerCase();
    const bare = name.replace(/\.$/, '');
    const listed = this.#system.names.hosts.get(bare);
    if (listed !== undefined) return listed.map(addressOf);
    // RFC 6761, 6.3: this holds whatever DNS says.
    if (bare === 'localhost' || bare.endsWith('.localhost')) return LOCALHOST;
    const tenant = this.#tenantNames(tenantId);
    const known = tenant.known.get(name);
    if (known !== undefined && known.until > performance.now()) return known.addresses;
    let lookup = tenant.underWay.get(name);
    if (lookup === undefined) {
      lookup = this.#lookup(tenantId, tenant, name).finally(() => tenant.underWay.delete(name));
      tenant.underWay.set(name, lookup);
    }
    return lookup;
  }

  readonly resolve: Resolve = (hostname, { family, tenantId }, callback) => {
    const wanted = familyOf(family);
    this.addresses(tenantId, hostname).then(
      (all) => {
        const found = all.filter((address) => wanted === 0 || address.family === wanted);
        if (found.length === 0) callback(nameError('ENOTFOUND', hostname), []);
        else callback(null, found);
      },
      (error: unknown) => callback(error as NodeJS.ErrnoException, []),
    );
  };

  /** A lookup function for `net.connect`, for hosts that the platform's own settings name. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    this.resolve(hostname, { all: true, family: options.family, tenantId: PLATFORM_TENANT }, (error, addresses) => {
      const [first] = addresses;
      if (error !== null || first === undefined) callback(error ?? nameError('ENOTFOUND', hostname), '', 0);
      else if (options.all === true) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };

  #newResolver(): Resolver {
    // The second attempt has twice the time of the first.
    const resolver = new Resolver({ timeout: Math.max(1, Math.floor(this.#timeoutMs / 4)), tries: TRIES });
    if (this.#servers.length > 0) resolver.setServers(this.#servers);
    return resolver;
  }

  #tenantNames(tenantId: string): TenantNames {
    const tenant = this.#tenants.get(tenantId) ?? { known: new Map(), underWay: new Map() };
    this.#tenants.delete(tenantId);
    this.#tenants.set(tenantId, tenant);
    dropOldest(this.#tenants, MOST_TENANTS);
    return tenant;
  }

  async #lookup(tenantId: string, tenant: TenantNames, name: string): Promise<readonly LookupAddress[]> {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(nameError('ETIMEOUT', name)), this.#timeoutMs);
    try {
      const leave = await this.#gate.enter(tenantId, limit.signal);
      const asking = this.#ask(name, limit.signal, leave);
      const { addresses, ttlMs } = await Promise.race([asking, rejection(limit.signal)]);
      if (ttlMs > 0) {
        tenant.known.delete(name);
        tenant.known.set(name, { addresses, until: performance.now() + Math.min(ttlMs, LONGEST_TTL_MS) });
        dropOldest(tenant.known, NAMES_PER_TENANT);
      }
      return addresses;
    } catch (error) {
      if (error instanceof GateBusyError) throw nameError('EBUSY', name);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Queries each candidate in turn. `leave` is called when the last query has ended, which may be after the answer. */
  async #ask(name: string, signal: AbortSignal, leave: () => void): Promise<Found> {
    const questions: Promise<unknown>[] = [];
    try {
      let failure: NodeJS.ErrnoException | undefined;
      for (const candidate of candidates(name, this.#system.names)) {
        // Nobody waits for the answer any more.
        signal.throwIfAborted();
        const both = [
          this.#resolver.resolve4(candidate, { ttl: true }),
          this.#resolver.resolve6(candidate, { ttl: true }),
        ];
        questions.push(...both);
        const answers = await bothFamilies(both);
        const records = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
        if (records.length > 0) {
          return {
            addresses: records.map(({ address }) => addressOf(address)),
            ttlMs: Math.min(...records.map(({ ttl }) => ttl)) * 1000,
          };
        }
        for (const answer of answers) {
          const error = answer.status === 'rejected' ? (answer.reason as NodeJS.ErrnoException) : undefined;
          if (error?.code === undefined || error.code === 'ENOTFOUND' || error.code === 'ENODATA') continue;
          failure ??= nameError(error.code, name);
          if (!NOT_THERE.has(error.code)) throw failure;
        }
      }
      throw failure ?? nameError('ENOTFOUND', name);
    } finally {
      void Promise.allSettled(questions).then(leave);
    }
  }
}

type Records = readonly { readonly address: string; readonly ttl: number }[];

/**
 * The results of both queries. When one has returned addresses, the other gets a little more time only, because some
 * servers answer one family only.
 */
async function bothFamilies(questions: readonly Promise<Records>[]): Promise<PromiseSettledResult<Records>[]> {
  const settled: PromiseSettledResult<Records>[] = [];
  const all = questions.map(async (question) => {
    try {
      const value = await question;
      settled.push({ status: 'fulfilled', value });
      return value.length > 0;
    } catch (reason) {
      settled.push({ status: 'rejected', reason });
      return false;
    }
  });
  let timer: NodeJS.Timeout | undefined;
  const enough = new Promise<void>((resolve) => {
    for (const one of all) {
      void one.then((hasAddresses) => {
        if (hasAddresses) timer ??= setTimeout(resolve, OTHER_FAMILY_MS);
      });
    }
  });
  await Promise.race([Promise.all(all), enough]);
  clearTimeout(timer);
  return [...settled].sort((a, b) => familyRank(a) - familyRank(b));
}

/** IPv4 first, so that nobody waits for an IPv6 address that leads nowhere. `net.connect` tries both (RFC 8305). */
function familyRank(answer: PromiseSettledResult<Records>): number {
  return answer.status === 'fulfilled' && answer.value[0]?.address.includes(':') === true ? 1 : 0;
}

function addressOf(address: string): LookupAddress {
  return { address, family: address.includes(':') ? 6 : 4 };
}

function familyOf(family: number | 'IPv4' | 'IPv6' | undefined): number {
  return family === 'IPv4' ? 4 : family === 'IPv6' ? 6 : (family ?? 0);
}

function dropOldest(map: Map<string, unknown>, most: number): void {
  if (map.size <= most) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    else signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}

const REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'there is no such host name',
  ETIMEOUT: 'no name server answered in time',
  EBUSY: 'too many host names of this tenant are looked up already',
};

function nameError(code: string, hostname: string): NodeJS.ErrnoException {
  const error: NodeJS.ErrnoException = new Error(`${hostname}: ${REASONS[code] ?? `the name servers said ${code}`}`);
  error.code = code;
  error.syscall = 'lookup';
  return error;
}
