import { promisify } from 'node:util';
import * as zlib from 'node:zlib';

/** The answer is larger than the caller allows. */
export class AnswerTooLargeError extends Error {
  override readonly name = 'AnswerTooLargeError';
}

/** An answer came, but it cannot be decoded. */
export class UnreadableAnswerError extends Error {
  override readonly name = 'UnreadableAnswerError';
}

type Decode = (raw: Buffer, limits: { maxOutputLength: number }) => Promise<Buffer>;

/** The encodings that this client can decode, as a value of `Accept-Encoding`. */
export const ACCEPTED_ENCODINGS = 'gzip, deflate, br, zstd';
/** The same limit as curl's. More encodings would only help an attacker who wants to keep this process busy. */
const MOST_ENCODINGS = 5;
/** The result between two encodings may be this much larger than the final body. */
const BETWEEN_BYTES = 64 * 1024;

const gunzip = promisify(zlib.gunzip) as Decode;
const inflate = promisify(zlib.inflate) as Decode;
const inflateRaw = promisify(zlib.inflateRaw) as Decode;

const DECODERS: ReadonlyMap<string, Decode> = new Map([
  ['gzip', gunzip],
  ['x-gzip', gunzip],
  ['deflate', inflateEither],
  ['br', promisify(zlib.brotliDecompress) as Decode],
  ['zstd', zstdDecoder()],
]);
/** Encodings that change nothing. S3 keeps `aws-chunked` on objects that were uploaded with it. */
const NOTHING = new Set(['', 'identity', 'aws-chunked']);

/**
 * Removes the content encodings (RFC 9110, 8.4) from a body, which may have at most `maxBytes` afterwards.
 *
 * @throws AnswerTooLargeError, UnreadableAnswerError
 */
export async function decodedBody(raw: Buffer, contentEncoding: string, maxBytes: number): Promise<Buffer> {
  const names = contentEncoding.split(',').map((name) => name.trim().toLowerCase());
  const encodings = names.filter((name) => !NOTHING.has(name));
  if (raw.length === 0) return raw;
  if (encodings.length > MOST_ENCODINGS) {
    throw new UnreadableAnswerError(`the answer has more than ${MOST_ENCODINGS} content encodings`);
  }
  let body = raw;
  // The header lists encodings in the order in which they were applied.
  for (const [left, name] of [...encodings.entries()].reverse()) {
    const decode = DECODERS.get(name);
    if (decode === undefined) throw new UnreadableAnswerError(`the answer's content encoding "${name}" is not known`);
    body = await decodedOnce(decode, name, body, left === 0 ? maxBytes : maxBytes + BETWEEN_BYTES);
  }
  if (body.length > maxBytes) throw tooLarge(maxBytes);
  return body;
}

async function decodedOnce(decode: Decode, name: string, raw: Buffer, maxOutputLength: number): Promise<Buffer> {
  try {
    return await decode(raw, { maxOutputLength });
  } catch (error) {
    if (error instanceof AnswerTooLargeError || error instanceof UnreadableAnswerError) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxOutputLength);
    const { message } = error as Error;
    throw new UnreadableAnswerError(`the answer does not match its content encoding "${name}": ${message}`, {
      cause: error,
    });
  }
}

function tooLarge(maxBytes: number): AnswerTooLargeError {
  return new AnswerTooLargeError(`the answer is larger than ${maxBytes} bytes`);
}

/** By `deflate`, RFC 9110 means zlib's format. Some servers send the bare stream (8.4.1.2). */
function inflateEither(raw: Buffer, limits: { maxOutputLength: number }): Promise<Buffer> {
  const [first = 0, second = 0] = raw;
  const isZlib = (first & 0x0f) === 8 && (first * 256 + second) % 31 === 0;
  return isZlib ? inflate(raw, limits) : inflateRaw(raw, limits);
}

/** Node.js has zstd from 22.15 on. Older versions use the reference decoder, compiled to WebAssembly. */
function zstdDecoder(): Decode {
  const native = (zlib as { zstdDecompress?: unknown }).zstdDecompress;
  return typeof native === 'function' ? (promisify(native as typeof zlib.gunzip) as Decode) : zstdWithWasm;
}

export async function zstdWithWasm(raw: Buffer, { maxOutputLength }: { maxOutputLength: number }): Promise<Buffer> {
  const size = zstdHeader(raw)?.size;
  if (size !== undefined && size > maxOutputLength) throw tooLarge(maxOutputLength);
  const { ZSTDDecoder } = await import('zstddec');
  const decoder = new ZSTDDecoder();
  await decoder.init();
  const body = decoder.decode(raw, maxOutputLength);
  // The decoder returns nothing for invalid input, but also when the output exceeds the limit.
  if (body.length === 0 && size !== 0) {
    if (size === undefined && isWholeZstd(raw)) throw tooLarge(maxOutputLength);
    throw new UnreadableAnswerError('the answer does not match its content encoding "zstd"');
  }
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}

const ZSTD_MAGIC = 0xfd2fb528;
const isSkippable = (magic: number): boolean => magic >= 0x184d2a50 && magic <= 0x184d2a5f;

/**
 * Reads the header of a frame (RFC 8878, 3.1.1.1): its length, the size of the content if it is given, and the size of
 * the checksum.
 */
function zstdHeader(raw: Buffer): { length: number; size: number | undefined; checksum: number } | undefined {
  if (raw.length < 6 || raw.readUInt32LE(0) !== ZSTD_MAGIC) return undefined;
  const descriptor = raw.readUInt8(4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >> 6;
  const at = 5 + (isSingleSegment ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] ?? 0);
  const bytes = sizeFlag === 0 ? (isSingleSegment ? 1 : 0) : 2 ** sizeFlag;
  if (raw.length < at + bytes) return undefined;
  const checksum = (descriptor & 4) === 0 ? 0 : 4;
  if (bytes === 0) return { length: at, size: undefined, checksum };
  const told = bytes === 8 ? Number(raw.readBigUInt64LE(at)) : raw.readUIntLE(at, bytes);
  return { length: at + bytes, size: bytes === 2 ? told + 256 : told, checksum };
}

/** Whether the frames and blocks (RFC 8878, 3.1.1.2) end exactly where the input ends. */
function isWholeZstd(raw: Buffer): boolean {
  let rest = raw;
  while (rest.length > 0) {
    if (rest.length >= 8 && isSkippable(rest.readUInt32LE(0))) {
      if (rest.length < 8 + rest.readUInt32LE(4)) return false;
      rest = rest.subarray(8 + rest.readUInt32LE(4));
      continue;
    }
    const header = zstdHeader(rest);
    if (header === undefined) return false;
    let at = header.length;
    for (let isLast = false; !isLast;) {
      if (rest.length < at + 3) return false;
      const block = rest.readUIntLE(at, 3);
      isLast = (block & 1) === 1;
      // A run-length block contains only the one byte that it repeats.
      at += 3 + (((block >> 1) & 3) === 1 ? 1 : block >> 3);
    }
    if (rest.length < at + header.checksum) return false;
    rest = rest.subarray(at + header.checksum);
  }
  return true;
}
