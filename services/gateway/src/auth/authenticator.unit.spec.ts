import { beforeEach, describe, expect, it } from '@jest/globals';
import type { AuthenticateReply } from '@batuta/contracts';
import { Problem } from '../http/problem.js';
import { Authenticator } from './authenticator.js';

const KNOWN: AuthenticateReply = {
  principal: { tenantId: 'default', userId: 'ada', role: 'admin', keyId: 'k' },
  expiresAt: 0,
};

describe('the authenticator', () => {
  let now = 0;
  let asked: string[] = [];
  let answer: () => Promise<AuthenticateReply>;
  const build = (capacity = 100): Authenticator =>
    new Authenticator({
      knownForMs: 5000,
      unknownForMs: 2000,
      capacity,
      now: () => now,
      ask: (hash) => {
        asked.push(hash);
        return answer();
      },
    });
  const identify = async (authenticator: Authenticator, key = 'a-key'): Promise<string> => {
    try {
      return (await authenticator.identify(key)).principal.userId;
    } catch (error) {
      return (error as Problem).code;
    }
  };

  beforeEach(() => {
    now = 1_000_000;
    asked = [];
    answer = () => Promise.resolve(KNOWN);
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
    expect(authenticator.identify('a-key')).not.toBeInstanceOf(Promise);
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

  it('asks once for many who come together', async () => {
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

  it('forgets when a key has changed, also answers that are on their way', async () => {
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

  it('keeps believing a known key for a minute while the config service cannot be asked', async () => {
    const authenticator = build();
    await identify(authenticator);
    answer = () => Promise.reject(new Problem('unavailable', 'down'));
    now += 30_000;
    expect(await identify(authenticator)).toBe('ada');
    expect(await identify(authenticator, 'another-key')).toBe('unavailable');
    now += 30_000;
    expect(await identify(authenticator)).toBe('unavailable');
  });

  it('holds no more keys than it may', async () => {
    const authenticator = build(2);
    for (const key of ['key-one', 'key-two', 'key-one', 'key-three']) await identify(authenticator, key);
    expect(asked).toHaveLength(3);
    await identify(authenticator, 'key-one');
    expect(asked).toHaveLength(3);
    await identify(authenticator, 'key-two');
    expect(asked).toHaveLength(4);
  });
});
