import { createHash, randomBytes } from 'node:crypto';

const PREFIX = 'batuta_';
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const RANDOM_BYTES = 32;
/** Characters that 32 bytes take in base 62. */
const LENGTH = 43;
/** Random characters that a list of keys shows: too few to help anybody guess. */
const SHOWN = 6;

/** A new API key: `batuta_` and 32 random bytes in base 62. */
export function generateKey(): string {
  let rest = BigInt(`0x${randomBytes(RANDOM_BYTES).toString('hex')}`);
  let digits = '';
  for (let index = 0; index < LENGTH; index += 1) {
    digits = (ALPHABET[Number(rest % 62n)] ?? '') + digits;
    rest /= 62n;
  }
  return PREFIX + digits;
}

/** SHA-256 of a key, hex: what is stored and looked up. */
export function hashKey(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

/** The part of a key by which people recognise it. */
export function prefixOf(key: string): string {
  return key.slice(0, PREFIX.length + SHOWN);
}
