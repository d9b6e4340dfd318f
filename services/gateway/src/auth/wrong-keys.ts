import type { IncomingMessage } from 'node:http';
import proxyAddress from '@fastify/proxy-addr';
import { counter } from '@batuta/observability';
import ipaddr from 'ipaddr.js';
import type { IPv6 } from 'ipaddr.js';
import { BoundedCache } from '../caches/bounded-cache.js';
import { Problem } from '../http/problem.js';

export interface WrongKeysOptions {
  /** How many wrong keys one address may send at once, and again within each minute. 0 means no limit. */
  readonly perMinute: number;
  /** Proxies whose `X-Forwarded-For` is trusted: addresses, CIDR ranges, `loopback`, `linklocal`, `uniquelocal`. */
  readonly trustedProxies?: readonly string[];
  /** How many addresses are remembered. Default 10,000. */
  readonly capacity?: number;
  /** A monotonic clock, in milliseconds. */
  readonly now?: () => number;
}

const MINUTE_MS = 60_000;
const IPV6_NETWORK_BITS = 64;

const wrongKeys = counter('batuta_gateway_wrong_keys_total', 'API keys that were refused, by reason', ['reason']);

/**
 * Finds the client's address of a request: the connection's address, or behind trusted proxies the address that they
 * report. `unknown` when the connection is closed.
 */
export function clientAddresses(trustedProxies: readonly string[]): (request: IncomingMessage) => string {
  const trusted = proxyAddress.compile([...trustedProxies]);
  return (request) => {
    // A closed connection has no address, and cannot be answered either.
    const text = request.socket.remoteAddress === undefined ? '' : proxyAddress(request, trusted);
    return ipaddr.isValid(text) ? ipaddr.process(text).toString() : 'unknown';
  };
}

/** Whether these are valid values of `WrongKeysOptions.trustedProxies`. */
export function areProxies(names: readonly string[]): boolean {
  try {
    proxyAddress.compile([...names]);
    return true;
  } catch {
    return false;
  }
}

/**
 * Slows down attempts to guess keys (ADR 0016). Each wrong key costs its address a share of a minute, and an address
 * that owes a whole minute must wait. This is the generic cell rate algorithm (ITU-T I.371), a token bucket that needs
 * one number.
 */
export class WrongKeys {
  readonly #options: WrongKeysOptions;
  /** The time, in milliseconds, at which each address has paid for its wrong keys. */
  readonly #paidAt: BoundedCache<string, number>;
  readonly #addressOf: (request: IncomingMessage) => string;
  readonly #now: () => number;

  /** Throws a TypeError when a trusted proxy is not valid. */
  constructor(options: WrongKeysOptions) {
    this.#options = options;
    this.#paidAt = new BoundedCache(options.capacity ?? 10_000);
    this.#addressOf = clientAddresses(options.trustedProxies ?? []);
    this.#now = options.now ?? (() => performance.now());
  }

  /** Call it before looking up a key that may be a guess. @throws Problem rate_limited when the address must wait. */
  check(request: IncomingMessage): void {
    if (this.#options.perMinute === 0) return;
    const paidAt = this.#paidAt.get(this.#networkOf(request));
    if (paidAt === undefined) return;
    const waitMs = paidAt + this.#costMs - MINUTE_MS - this.#now();
    // Costs are fractions, so a difference below this is a rounding error.
    if (waitMs < 1) return;
    wrongKeys.inc({ reason: 'too_many' });
    const seconds = Math.ceil(waitMs / 1_000);
    throw new Problem('rate_limited', 'Too many wrong API keys came from your address.', {
      headers: { 'retry-after': String(seconds) },
    });
  }

  /** Counts a wrong key. */
  count(request: IncomingMessage): void {
    wrongKeys.inc({ reason: 'wrong' });
    if (this.#options.perMinute === 0) return;
    const network = this.#networkOf(request);
    const now = this.#now();
    const paidAt = Math.max(now, this.#paidAt.get(network) ?? now) + this.#costMs;
    // Many concurrent lookups must not add up to a longer wait than a minute.
    this.#paidAt.set(network, Math.min(paidAt, now + MINUTE_MS));
  }

  get #costMs(): number {
    return MINUTE_MS / this.#options.perMinute;
  }

  /** The client's address. For IPv6: the subscriber's network, because a subscriber has all addresses in it. */
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
