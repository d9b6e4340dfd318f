import type { IncomingMessage } from 'node:http';
import proxyAddress from '@fastify/proxy-addr';
import { counter } from '@batuta/observability';
import ipaddr from 'ipaddr.js';
import type { IPv6 } from 'ipaddr.js';
import { BoundedCache } from '../caches/bounded-cache.js';
import { Problem } from '../http/problem.js';

export interface WrongKeysOptions {
  /** Wrong keys that one address may send at once, and again within each minute; 0 sets no limit. */
  readonly perMinute: number;
  /** Proxies whose `X-Forwarded-For` is believed: addresses, CIDR ranges, `loopback`, `linklocal`, `uniquelocal`. */
  readonly trustedProxies?: readonly string[];
  /** Addresses remembered at most. Default 10,000. */
  readonly capacity?: number;
  /** Running time, ms. */
  readonly now?: () => number;
}

const MINUTE_MS = 60_000;
const IPV6_NETWORK_BITS = 64;

const wrongKeys = counter('batuta_gateway_wrong_keys_total', 'API keys that were not let in, by why', ['reason']);

/** Says from where a request came: behind proxies that are believed, what they say. `unknown` when its connection is gone. */
export function clientAddresses(trustedProxies: readonly string[]): (request: IncomingMessage) => string {
  const trusted = proxyAddress.compile([...trustedProxies]);
  return (request) => {
    // A connection that is gone already has no address any more, and cannot be answered either.
    const text = request.socket.remoteAddress === undefined ? '' : proxyAddress(request, trusted);
    return ipaddr.isValid(text) ? ipaddr.process(text).toString() : 'unknown';
  };
}

/** Whether these name proxies as `WrongKeysOptions.trustedProxies` has them. */
export function areProxies(names: readonly string[]): boolean {
  try {
    proxyAddress.compile([...names]);
    return true;
  } catch {
    return false;
  }
}

/**
 * Slows down who tries keys (ADR 0016). Each wrong key costs its address a share of a minute, and who owes a whole minute waits:
 * the generic cell rate algorithm (ITU-T I.371), a token bucket that needs one number.
 */
export class WrongKeys {
  /** When each address has paid for what it did, ms. */
  readonly #paidAt: BoundedCache<string, number>;
  readonly #addressOf: (request: IncomingMessage) => string;
  readonly #now: () => number;

  /** Throws a TypeError when a trusted proxy is none. */
  constructor(private readonly options: WrongKeysOptions) {
    this.#paidAt = new BoundedCache(options.capacity ?? 10_000);
    this.#addressOf = clientAddresses(options.trustedProxies ?? []);
    this.#now = options.now ?? (() => performance.now());
  }

  /** Call before a key is looked up that may be a guess. @throws Problem rate_limited when its address has to wait. */
  check(request: IncomingMessage): void {
    if (this.options.perMinute === 0) return;
    const paidAt = this.#paidAt.get(this.#networkOf(request));
    if (paidAt === undefined) return;
    const waitMs = paidAt + this.#costMs - MINUTE_MS - this.#now();
    // Costs are fractions: what is missing by less than this is missing by rounding.
    if (waitMs < 1) return;
    wrongKeys.inc({ reason: 'too_many' });
    const seconds = Math.ceil(waitMs / 1_000);
    throw new Problem('rate_limited', 'Too many wrong API keys came from your address.', {
      headers: { 'retry-after': String(seconds) },
    });
  }

  /** Counts a key that was wrong. */
  count(request: IncomingMessage): void {
    wrongKeys.inc({ reason: 'wrong' });
    if (this.options.perMinute === 0) return;
    const network = this.#networkOf(request);
    const now = this.#now();
    const paidAt = Math.max(now, this.#paidAt.get(network) ?? now) + this.#costMs;
    // Many that were looked up at the same time do not add up to a longer wait.
    this.#paidAt.set(network, Math.min(paidAt, now + MINUTE_MS));
  }

  get #costMs(): number {
    return MINUTE_MS / this.options.perMinute;
  }

  /** The client's address; of IPv6 the network of a subscriber, who has all the addresses in it. */
  #networkOf(request: IncomingMessage): string {
    const text = this.#addressOf(request);
    if (text === 'unknown') return text;
    const address = ipaddr.parse(text);
    if (address.kind() === 'ipv4') return text;
    return (address as IPv6)
      .toByteArray()
      .slice(0, IPV6_NETWORK_BITS / 8)
      .join('.');
  }
}
