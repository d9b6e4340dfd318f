import { describe, expect, it } from '@jest/globals';
import { createHmac, randomBytes } from 'node:crypto';
import { HmacTokens } from './task-tokens.js';

const KEY = '0192f3e4-aaaa-7bbb-8ccc-123456789abc/step/1';

describe('tokens of tasks', () => {
  it.each([32, 64, 65, 200])('are the HMAC-SHA-256 of the attempt under a key of %i bytes', (length) => {
    const secret = randomBytes(length);
    const tokens = new HmacTokens(secret);
    for (const key of [KEY, 'a', `${KEY}0`, 'é'.repeat(400), KEY]) {
      expect(tokens.of(key)).toBe(createHmac('sha256', secret).update(key).digest('base64url'));
    }
  });

  it('fit their own attempt and key only', () => {
    const tokens = new HmacTokens(randomBytes(32));
    const token = tokens.of(KEY);
    expect(tokens.isOf(KEY, token)).toBe(true);
    expect(tokens.isOf(KEY.replace('/1', '/2'), token)).toBe(false);
    expect(new HmacTokens(randomBytes(32)).isOf(KEY, token)).toBe(false);
    for (const other of ['', token.slice(1), `${token}x`, token.toLowerCase(), 'é'.repeat(token.length)]) {
      expect(tokens.isOf(KEY, other)).toBe(false);
    }
  });

  it('refuse a short key, and an attempt whose end would be cut off', () => {
    expect(() => new HmacTokens(randomBytes(16))).toThrow('32 bytes');
    expect(() => new HmacTokens(randomBytes(32)).of('x'.repeat(3_000))).toThrow('too long');
  });
});
