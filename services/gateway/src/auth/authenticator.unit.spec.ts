import type { IncomingMessage } from 'node:http';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { AuthenticateReply } from '@batuta/contracts';
import { Problem } from '../http/problem.js';
import { Authenticator } from './authenticator.js';
import { WrongKeys } from './wrong-keys.js';

const KNOWN: AuthenticateReply = {
  principal: { tenantId: 'default', userId: 'ada', role: 'admin', keyId: 'k' },
  expiresAt: 0,
};

const REQUEST = { socket: { remoteAddress: '192.0.2.1' }, headers: {} } as unknown as IncomingMessage;

describe('the authenticator', () => {
  let now = 0;
  let asked: string[] = [];
  let answer: () => Promise<AuthenticateReply>;
  let wrongKeys: WrongKeys;
  const build = (capacity = 100): Authenticator =>
    new Authenticator({
      knownForMs: 5000,
      unknownForMs: 2000,
      capacity,
      now: () => now,
      wrongKeys,
      ask: (hash) => {
        asked.push(hash);
        return answer();
      },
    });
  const identify = async (authenticator: Authenticator, key = 'a-key'): Promise<string> => {
    try {
      return (await authenticator.identify(key, REQUEST)).principal.userId;
    } catch (error) {
      return (error as Problem).code;
    }
  };

  beforeEach(() => {
    now = 1_000_000;
    asked = [];
    answer = () => Promise.resolve(KNOWN);
    wrongKeys = new WrongKeys({ perMinute: 3, now: () => now });
  });

  it('asks with the hash of the key and never with the key', async () => {
    await identify(build(), 'the-key-itself');
    expect(asked).toEqual([Authenticator.hashOf('the-key-itself')]);
    expect(asked[0]).toMatch(/^[0-9a-f]{64}$/);
  });

  it('remembers a known key for five seconds and answers at once then', async () => {
    const authenticator = build();
    await identify(authenticator);
    now += 4999;
    expect(authenticator.identify('a-key', REQUEST)).not.toBeInstanceOf(Promise);
    now += 1;
    await identify(authenticator);
    expect(asked).toHaveLength(2);
  });

  it('remembers an unknown key for two seconds', async () => {
    answer = () => Promise.resolve({});
    const authenticator = build();
    expect(await identify(authenticator)).toBe('unauthenticated');
    now += 1999;
    expect(await identify(authenticator)).toBe('unauthenticated');
    expect(asked).toHaveLength(1);
    now += 1;
    answer = () => Promise.resolve(KNOWN);
    expect(await identify(authenticator)).toBe('ada');
  });

  it('asks once for many requests at the same time', async () => {
    const authenticator = build();
    expect(await Promise.all([identify(authenticator), identify(authenticator), identify(authenticator)])).toEqual([
      'ada',
      'ada',
      'ada',
    ]);
    expect(asked).toHaveLength(1);
  });

  it('refuses a key from the moment it expires, though it is remembered', async () => {
    answer = () => Promise.resolve({ ...KNOWN, expiresAt: now + 1000 });
    const authenticator = build();
    expect(await identify(authenticator)).toBe('ada');
    now += 1000;
    expect(await identify(authenticator)).toBe('unauthenticated');
  });

  it('forgets everything when a key has changed, also answers in transit', async () => {
    const authenticator = build();
    let reply: (value: AuthenticateReply) => void = () => undefined;
    answer = () => new Promise((resolve) => (reply = resolve));
    const early = identify(authenticator);
    authenticator.changed({ kind: 'key' });
    reply(KNOWN);
    await early;
    answer = () => Promise.resolve({});
    expect(await identify(authenticator)).toBe('unauthenticated');
  });

  it('accepts a known key for a minute while the config service does not answer', async () => {
    const authenticator = build();
    await identify(authenticator);
    answer = () => Promise.reject(new Problem('unavailable', 'down'));
    now += 30_000;
    expect(await identify(authenticator)).toBe('ada');
    expect(await identify(authenticator, 'another-key')).toBe('unavailable');
    now += 30_000;
    expect(await identify(authenticator)).toBe('unavailable');
  });

  it('caches a limited number of keys', async () => {
    const authenticator = build(2);
    for (const key of ['key-one', 'key-two', 'key-one', 'key-three']) await identify(authenticator, key);
    expect(asked).toHaveLength(3);
    await identify(authenticator, 'key-one');
    expect(asked).toHaveLength(3);
    await identify(authenticator, 'key-two');
    expect(asked).toHaveLength(4);
  });

  it('asks nothing for an address that sent too many wrong keys, new or cached', async () => {
    const authenticator = build();
    answer = () => Promise.resolve({});
    for (const key of ['wrong-1', 'wrong-2', 'wrong-2']) {
      expect(await identify(authenticator, key)).toBe('unauthenticated');
    }
    expect(asked).toHaveLength(2);
    answer = () => Promise.resolve(KNOWN);
    expect(await identify(authenticator, 'right')).toBe('rate_limited');
    expect(await identify(authenticator, 'wrong-2')).toBe('rate_limited');
    expect(asked).toHaveLength(2);
    now += 20_000;
    expect(await identify(authenticator, 'right')).toBe('ada');
  });

  it('accepts a key that was valid before, also after many wrong keys from its address and when its answer was forgotten', async () => {
    const authenticator = build();
    expect(await identify(authenticator, 'right')).toBe('ada');
    answer = () => Promise.resolve({});
    for (const key of ['wrong-1', 'wrong-2', 'wrong-3']) await identify(authenticator, key);
    expect(await identify(authenticator, 'wrong-4')).toBe('rate_limited');
    authenticator.forget();
    answer = () => Promise.resolve(KNOWN);
    expect(await identify(authenticator, 'right')).toBe('ada');
    // After it is revoked, it counts as a wrong key like any other.
    authenticator.forget();
    answer = () => Promise.resolve({});
    expect(await identify(authenticator, 'right')).toBe('unauthenticated');
    expect(await identify(authenticator, 'right')).toBe('rate_limited');
  });

  it('counts wrong keys only, not missing keys or lookups without an answer', async () => {
    const authenticator = build();
    answer = () => Promise.reject(new Problem('unavailable', 'no'));
    for (let times = 0; times < 5; times += 1) {
      expect(await identify(authenticator, 'a-key')).toBe('unavailable');
      expect(() => authenticator.identify(undefined, REQUEST)).toThrow('Send an API key');
    }
    answer = () => Promise.resolve(KNOWN);
    expect(await identify(authenticator, 'a-key')).toBe('ada');
  });
});
