import { createHash, hash, timingSafeEqual } from 'node:crypto';
import type { TaskTokens } from '../ports/ports.js';

const BLOCK = 64;
const LONGEST = 2_048;

/**
 * HMAC-SHA-256 (RFC 2104) of an attempt's key with `secret`. It uses two calls of `hash`, which cost a third of one
 * `Hmac` object, because each step of each execution needs two tokens.
 */
export class HmacTokens implements TaskTokens {
  readonly #inner = Buffer.alloc(BLOCK + LONGEST, 0x36);
  readonly #outer = Buffer.alloc(BLOCK + 32, 0x5c);

  constructor(secret: Uint8Array) {
    if (secret.length < 32) throw new RangeError('the key of task tokens must have 32 bytes at least');
    const key = secret.length > BLOCK ? createHash('sha256').update(secret).digest() : secret;
    for (const [place, byte] of key.entries()) {
      this.#inner[place] = byte ^ 0x36;
      this.#outer[place] = byte ^ 0x5c;
    }
  }

  of(attemptKey: string): string {
    const end = BLOCK + this.#inner.write(attemptKey, BLOCK, 'utf8');
    // A longer key would be cut off, and would have the same token as the shorter one.
    if (end + 4 > this.#inner.length) throw new RangeError('an attempt’s key is too long for a token');
    // One character for each byte, because a buffer for each digest costs more than the digest.
    this.#outer.write(hash('sha256', this.#inner.subarray(0, end), 'binary'), BLOCK, 'latin1');
    return hash('sha256', this.#outer, 'base64url');
  }

  isOf(attemptKey: string, token: string): boolean {
    const expected = Buffer.from(this.of(attemptKey), 'latin1');
    const given = Buffer.from(token, 'utf8');
    return given.length === expected.length && timingSafeEqual(given, expected);
  }
}
