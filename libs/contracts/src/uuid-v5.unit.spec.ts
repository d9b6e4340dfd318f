import { createHash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { uuidV5 } from './uuid-v5.js';

test('the example of RFC 9562', () => {
  expect(uuidV5('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'www.example.com')).toBe(
    '2ed6657d-e927-568b-95e1-2665a8aea6a2',
  );
});

test('names of every length around a block of SHA-1 give the same result as node:crypto', () => {
  const namespace = '0190a5b4-0000-7000-8000-000000000001';
  for (let length = 0; length < 200; length++) {
    const name = 'ü'.repeat(length);
    const hash = createHash('sha1')
      .update(Buffer.from(namespace.replaceAll('-', ''), 'hex'))
      .update(name)
      .digest();
    hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x50;
    hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
    expect(uuidV5(namespace, name).replaceAll('-', '')).toBe(hash.subarray(0, 16).toString('hex'));
  }
});
