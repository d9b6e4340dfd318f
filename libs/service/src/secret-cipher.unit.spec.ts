import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { encryptionKeysOf, SecretCipher, SecretCipherError } from './secret-cipher.js';

const SIGNING = { variable: 'BATUTA_NOTIFICATIONS_ENCRYPTION_KEYS', clearPrefix: 'whsec_' };
const [first, second] = [randomBytes(32), randomBytes(32)];
const SECRET = `whsec_${randomBytes(32).toString('base64')}`;

describe('signing secrets at rest', () => {
  it('are encrypted differently each time, and can be decrypted', () => {
    const cipher = new SecretCipher([first], SIGNING);
    const stored = [cipher.seal(SECRET, 'a'), cipher.seal(SECRET, 'a')];
    expect(new Set(stored).size).toBe(2);
    for (const each of stored) {
      expect(each).toMatch(/^enc1\.[0-9a-f]{16}\.[A-Za-z0-9_-]{100,}$/);
      expect(cipher.open(each, 'a')).toBe(SECRET);
      expect(cipher.isCurrent(each)).toBe(true);
    }
  });

  it('are decrypted with every configured key, and encrypted with the first', () => {
    const old = new SecretCipher([first], SIGNING).seal(SECRET, 'a');
    const both = new SecretCipher([second, first], SIGNING);
    expect(both.open(old, 'a')).toBe(SECRET);
    expect(both.isCurrent(old)).toBe(false);
    const renewed = both.seal(SECRET, 'a');
    expect(new SecretCipher([second], SIGNING).open(renewed, 'a')).toBe(SECRET);
    expect(() => new SecretCipher([second], SIGNING).open(old, 'a')).toThrow(SecretCipherError);
  });

  it('cannot be changed or moved to another place', () => {
    const cipher = new SecretCipher([first], SIGNING);
    const stored = cipher.seal(SECRET, 'a');
    expect(() => cipher.open(stored, 'b')).toThrow('put in the place of another');
    const at = stored.length - 30;
    const changed = `${stored.slice(0, at)}${stored[at] === 'A' ? 'B' : 'A'}${stored.slice(at + 1)}`;
    expect(() => cipher.open(changed, 'a')).toThrow(SecretCipherError);
    expect(() => cipher.open('enc1.0123456789abcdef.AA', 'a')).toThrow('BATUTA_NOTIFICATIONS_ENCRYPTION_KEYS');
    expect(() => cipher.open('nonsense', 'a')).toThrow(SecretCipherError);
  });

  it('can be read when they were stored unencrypted, and are stored so without a key', () => {
    expect(new SecretCipher([first], SIGNING).open(SECRET, 'a')).toBe(SECRET);
    expect(new SecretCipher([first], SIGNING).isCurrent(SECRET)).toBe(false);
    const none = new SecretCipher([], SIGNING);
    expect([none.enabled, none.seal(SECRET, 'a'), none.isCurrent(SECRET)]).toEqual([false, SECRET, true]);
  });

  it('may be unencrypted only where that is allowed', () => {
    expect(() => new SecretCipher([first], { variable: 'KEYS' }).open(SECRET, 'a')).toThrow('not among KEYS');
  });

  it('accept only keys of 32 bytes in Base64', () => {
    const [one, two] = [first.toString('base64'), second.toString('base64')];
    expect(encryptionKeysOf(`${one}, ${two}`)).toEqual([first, second]);
    for (const wrong of ['', 'short', `${one},`, `${one};${two}`, randomBytes(31).toString('base64')]) {
      expect(encryptionKeysOf(wrong)).toBeUndefined();
    }
  });
});
