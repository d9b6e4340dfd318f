import type { IncomingMessage } from 'node:http';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { Problem } from '../http/problem.js';
import { areProxies, WrongKeys } from './wrong-keys.js';
import type { WrongKeysOptions } from './wrong-keys.js';

const from = (remoteAddress: string | undefined, forwarded?: string): IncomingMessage =>
  ({
    socket: { remoteAddress },
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
  }) as unknown as IncomingMessage;

let now = 0;
beforeEach(() => {
  now = 1_000;
});

const build = (options: Partial<WrongKeysOptions> = {}): WrongKeys =>
  new WrongKeys({ perMinute: 3, now: () => now, ...options });

/** Seconds to wait; 0 when the next key may come at once. */
function wait(wrongKeys: WrongKeys, request: IncomingMessage): number {
  try {
    wrongKeys.check(request);
    return 0;
  } catch (error) {
    const problem = error as Problem;
    expect([problem.code, problem.getStatus()]).toEqual(['rate_limited', 429]);
    return Number(problem.headers()['retry-after']);
  }
}

const spend = (wrongKeys: WrongKeys, request: IncomingMessage, count = 3): void => {
  for (let left = count; left > 0; left -= 1) wrongKeys.count(request);
};

describe('wrong keys', () => {
  it('are limited for one address: a number at once, and the same number within each minute', () => {
    const wrongKeys = build();
    const request = from('192.0.2.1');
    spend(wrongKeys, request, 2);
    expect(wait(wrongKeys, request)).toBe(0);
    wrongKeys.count(request);
    expect(wait(wrongKeys, request)).toBe(20);
    expect(wait(wrongKeys, from('192.0.2.2'))).toBe(0);
    now += 19_000;
    expect(wait(wrongKeys, request)).toBe(1);
    now += 1_000;
    expect(wait(wrongKeys, request)).toBe(0);
    wrongKeys.count(request);
    expect(wait(wrongKeys, request)).toBe(20);
    now += 3_600_000;
    spend(wrongKeys, request, 2);
    expect(wait(wrongKeys, request)).toBe(0);
  });

  it('do not add up to a longer wait when many were looked up at once', () => {
    const wrongKeys = build();
    spend(wrongKeys, from('192.0.2.1'), 1_000);
    expect(wait(wrongKeys, from('192.0.2.1'))).toBe(20);
  });

  it('count for the whole network of an IPv6 subscriber, and for an IPv4 address in any notation', () => {
    const wrongKeys = build();
    spend(wrongKeys, from('2001:db8:1:2:3::4'));
    expect(wait(wrongKeys, from('2001:db8:1:2:ffff:ffff:ffff:ffff'))).toBeGreaterThan(0);
    expect(wait(wrongKeys, from('2001:db8:1:3::4'))).toBe(0);
    spend(wrongKeys, from('::ffff:192.0.2.1'));
    expect(wait(wrongKeys, from('192.0.2.1'))).toBeGreaterThan(0);
    expect(wait(wrongKeys, from('192.0.2.2'))).toBe(0);
  });

  it('count for the address that a trusted proxy reports, and never for one that the client invents', () => {
    const wrongKeys = build({ trustedProxies: ['10.0.0.0/8'] });
    spend(wrongKeys, from('10.0.0.1', '203.0.113.9, 192.0.2.1'));
    expect(wait(wrongKeys, from('10.0.0.2', '203.0.113.10, 192.0.2.1'))).toBeGreaterThan(0);
    expect(wait(wrongKeys, from('10.0.0.1', '192.0.2.2'))).toBe(0);
    spend(wrongKeys, from('198.51.100.1', '192.0.2.3'));
    expect(wait(wrongKeys, from('198.51.100.1', '192.0.2.4'))).toBeGreaterThan(0);
  });

  it.each([1, 7, 60, 9_999])('are accepted again after the announced wait, with %d a minute', (perMinute) => {
    const wrongKeys = build({ perMinute });
    const request = from('192.0.2.1');
    let spent = 0;
    for (; wait(wrongKeys, request) === 0; spent += 1) wrongKeys.count(request);
    expect(spent).toBe(perMinute);
    now += wait(wrongKeys, request) * 1_000;
    expect(wait(wrongKeys, request)).toBe(0);
  });

  it('are remembered for a limited number of addresses', () => {
    const wrongKeys = build({ capacity: 2 });
    for (const last of [1, 2, 3]) spend(wrongKeys, from(`192.0.2.${last}`));
    expect(wait(wrongKeys, from('192.0.2.1'))).toBe(0);
    expect(wait(wrongKeys, from('192.0.2.3'))).toBeGreaterThan(0);
  });

  it('of connections without an address share one limit', () => {
    const wrongKeys = build();
    spend(wrongKeys, from(undefined));
    expect(wait(wrongKeys, from('not an address'))).toBeGreaterThan(0);
  });

  it('have no limit when it is 0', () => {
    const wrongKeys = build({ perMinute: 0 });
    spend(wrongKeys, from('192.0.2.1'), 1_000);
    expect(wait(wrongKeys, from('192.0.2.1'))).toBe(0);
  });

  it('recognise valid names of proxies', () => {
    expect(areProxies(['10.0.0.0/8', '::1', 'uniquelocal'])).toBe(true);
    expect(areProxies([])).toBe(true);
    expect(areProxies(['ingress.example.org'])).toBe(false);
  });
});
