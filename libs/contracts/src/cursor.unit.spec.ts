import { describe, expect, it } from '@jest/globals';
import { decodeCursor, encodeCursor } from './cursor.js';

describe('cursors', () => {
  it('are read by their own list only', () => {
    const cursor = encodeCursor('configs', '5.é');
    expect(cursor).toMatch(/^[A-Za-z0-9_-]+$/);
    expect(decodeCursor('configs', cursor)).toBe('5.é');
    expect(decodeCursor('documents', cursor)).toBeUndefined();
  });

  it.each([
    '',
    'x',
    '5',
    'not a cursor',
    Buffer.from('"configs"').toString('base64url'),
    Buffer.from('["configs"]').toString('base64url'),
    Buffer.from('["configs",5]').toString('base64url'),
    Buffer.from('{"v":1,"after":"5"}').toString('base64url'),
    encodeCursor('configs', 'x'.repeat(1_000)),
    `${encodeCursor('configs', '5')}=`,
  ])('are not read from %j', (text) => {
    expect(decodeCursor('configs', text)).toBeUndefined();
  });
});
