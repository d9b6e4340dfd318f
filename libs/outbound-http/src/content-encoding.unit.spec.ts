import { describe, expect, it } from '@jest/globals';
import { AnswerTooLargeError, decodedBody, UnreadableAnswerError, zstdWithWasm } from './content-encoding.js';

// Made by zstd 1.5.4: a text, an empty text, and a million zeros with and without their size in the header.
const TEXT = Buffer.from('KLUv/SQRiQAAcMOkY2tjaGVuIGluIHpzdGSQxGpn', 'base64');
const EMPTY = Buffer.from('KLUv/SQAAQAAmenYUQ==', 'base64');
const ZEROS = Buffer.from('KLUv/aRAQg8ATAAACAABAPz/ORACAgAQAAIAEAACABAAAgAQAAIAEAACABAAAxIKAMyuyjk=', 'base64');
const UNSIZED = Buffer.from('KLUv/QRoTAAACAABAPz/ORACAgAQAAIAEAACABAAAgAQAAIAEAACABAAAxIKAMyuyjk=', 'base64');
const SKIPPED = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9]);

// Node.js 20 uses WebAssembly; newer versions have their own zstd.
describe.each([
  ['WebAssembly', zstdWithWasm],
  [
    'the decoder that this Node.js uses',
    (raw: Buffer, { maxOutputLength }: { maxOutputLength: number }) => decodedBody(raw, 'zstd', maxOutputLength),
  ],
])('zstd by %s', (_, decode) => {
  const read = (raw: Buffer, maxOutputLength = 2_000_000): Promise<Buffer> => decode(raw, { maxOutputLength });

  it('reads one frame or several, and skips skippable frames', async () => {
    expect((await read(TEXT)).toString()).toBe('päckchen in zstd');
    expect((await read(Buffer.concat([TEXT, SKIPPED, TEXT]))).toString()).toBe('päckchen in zstdpäckchen in zstd');
    expect(await read(ZEROS)).toEqual(Buffer.alloc(1_000_000));
    expect((await read(UNSIZED, 1_000_000)).length).toBe(1_000_000);
    expect((await read(EMPTY)).length).toBe(0);
  });

  it('refuses output beyond the limit', async () => {
    await expect(read(ZEROS, 999_999)).rejects.toBeInstanceOf(AnswerTooLargeError);
    await expect(read(UNSIZED, 999_999)).rejects.toBeInstanceOf(AnswerTooLargeError);
    await expect(read(Buffer.concat([SKIPPED, UNSIZED]), 999_999)).rejects.toBeInstanceOf(AnswerTooLargeError);
  });

  it('refuses input that is not zstd', async () => {
    for (const raw of [
      Buffer.from('not zstd at all'),
      TEXT.subarray(0, 12),
      Buffer.concat([TEXT.subarray(0, -6), Buffer.alloc(6)]),
      UNSIZED.subarray(0, 20),
      Buffer.concat([UNSIZED, Buffer.from('x')]),
    ]) {
      await expect(read(raw)).rejects.toBeInstanceOf(UnreadableAnswerError);
    }
  });
});
