import { describe, expect, it } from '@jest/globals';
import { addressPolicy } from './address-policy.js';

describe('addressPolicy', () => {
  const policy = addressPolicy([]);

  it.each(['93.184.216.34', '8.8.8.8', '2606:2800:220:1:248:1893:25c8:1946'])(
    'allows the public address %s',
    (address) => {
      expect(policy.refusal(address, 443)).toBeUndefined();
    },
  );

  it.each([
    '127.0.0.1',
    '127.255.255.254',
    '0.0.0.0',
    '10.0.0.1',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '100.100.100.200',
    '168.63.129.16',
    '192.0.0.192',
    '198.18.0.1',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '::1',
    '::',
    '::127.0.0.1',
    '::ffff:127.0.0.1',
    '::ffff:a9fe:a9fe',
    'fe80::1',
    'fc00::1',
    'fd00:ec2::254',
    'ff02::1',
    '64:ff9b::7f00:1',
    '64:ff9b:1::7f00:1',
    '2002:7f00:1::',
    '2001:0:4136:e378:8000:63bf:3fff:fdd2',
    'not an address',
  ])('refuses %s', (address) => {
    expect(policy.refusal(address, 443)).toEqual(expect.stringContaining(address));
  });

  it('allows addresses that the settings name: alone, as a network, and with a port', () => {
    const own = addressPolicy(['127.0.0.1:3000', '10.1.0.0/16', '[::1]:8080', 'fd00::5']);
    expect(own.refusal('127.0.0.1', 3000)).toBeUndefined();
    expect(own.refusal('::ffff:127.0.0.1', 3000)).toBeUndefined();
    expect(own.refusal('127.0.0.1', 3001)).toContain('loopback');
    expect(own.refusal('10.1.255.1', 80)).toBeUndefined();
    expect(own.refusal('10.2.0.1', 80)).toContain('private');
    expect(own.refusal('::1', 8080)).toBeUndefined();
    expect(own.refusal('::1', 80)).toContain('loopback');
    expect(own.refusal('fd00::5', 1)).toBeUndefined();
  });

  it.each(['localhost', '10.0.0.0/33', '127.0.0.1:99999', ''])('refuses "%s" as an allowed address', (entry) => {
    expect(() => addressPolicy([entry])).toThrow(TypeError);
  });
});
