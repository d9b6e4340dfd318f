import ipaddr from 'ipaddr.js';
import type { IPv4, IPv6 } from 'ipaddr.js';

type Address = IPv4 | IPv6;

interface AllowedRange {
  readonly network: Address;
  readonly bits: number;
  /** Any port when undefined. */
  readonly port: number | undefined;
}

/** Decides which addresses may be reached by a call that is made for a user. */
export interface AddressPolicy {
  /**
   * The reason for refusing the address, as a phrase; undefined when it may be reached. Takes an IP address without
   * brackets.
   */
  refusal(address: string, port: number): string | undefined;
}

/** Azure's platform address. It answers metadata requests although it is a public address. */
const METADATA = new Set(['168.63.129.16']);
const GLOBAL_UNICAST = ipaddr.parseCIDR('2000::/3') as [IPv6, number];

/**
 * A policy that allows public unicast addresses and those in `allowed`: `10.1.0.0/16`, `127.0.0.1`, `127.0.0.1:3000`,
 * `::1`, `[::1]:8080`. It refuses all others: private, loopback, link-local (with the clouds' metadata services),
 * shared, multicast and reserved ranges, and IPv6 addresses that lead to an IPv4 address (NAT64, 6to4, Teredo). An
 * IPv4-mapped address counts as its IPv4 address. Throws a `TypeError` for an entry in another form.
 */
export function addressPolicy(allowed: readonly string[]): AddressPolicy {
  const ranges = allowed.map(parseRange);
  return {
    refusal(text, port) {
      if (!ipaddr.isValid(text)) return `${text} is not an IP address`;
      const address = ipaddr.process(text);
      if (ranges.some((range) => includes(range, address, port))) return undefined;
      const kind = kindOf(address);
      return kind === 'unicast' ? undefined : `${text} is a ${kind} address`;
    },
  };
}

function kindOf(address: Address): string {
  if (METADATA.has(address.toString())) return 'metadata';
  const range = address.range();
  if (range !== 'unicast') return RANGE_NAMES[range] ?? range;
  if (address.kind() === 'ipv6' && !address.match(GLOBAL_UNICAST)) return 'non-public';
  return 'unicast';
}

const RANGE_NAMES: Readonly<Record<string, string>> = {
  linkLocal: 'link-local',
  uniqueLocal: 'private',
  carrierGradeNat: 'shared',
  rfc6052: 'NAT64',
  rfc6145: 'translated',
  teredo: 'Teredo',
};

function includes(range: AllowedRange, address: Address, port: number): boolean {
  if (range.port !== undefined && range.port !== port) return false;
  return range.network.kind() === address.kind() && address.match(range.network, range.bits);
}

function parseRange(text: string): AllowedRange {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(text);
  const withPort = bracketed ?? /^(\d+\.\d+\.\d+\.\d+(?:\/\d+)?)(?::(\d+))?$/.exec(text);
  const host = withPort?.[1] ?? text;
  const port = withPort?.[2] === undefined ? undefined : Number(withPort[2]);
  if (port === undefined || (port > 0 && port < 65_536)) {
    if (ipaddr.isValid(host)) {
      const network = ipaddr.process(host);
      return { network, bits: network.kind() === 'ipv4' ? 32 : 128, port };
    }
    if (ipaddr.isValidCIDR(host)) {
      const [network, bits] = ipaddr.parseCIDR(host);
      return { network, bits, port };
    }
  }
  throw new TypeError('An allowed address must look like 10.1.0.0/16, 127.0.0.1, 127.0.0.1:3000, ::1 or [::1]:8080.');
}
