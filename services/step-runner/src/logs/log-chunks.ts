import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { createGunzip, constants } from 'node:zlib';
import { TerminalError } from '@batuta/worker';

/** Small enough that the lines of one chunk block the event loop only for a few milliseconds. */
const CHUNK = 128 * 1024;
/**
 * Text that any compressed file may contain, and how many times its own size it may contain beyond that. Logs shrink to
 * between a tenth and a fiftieth.
 */
const ALWAYS_ALLOWED = 64 * 1024 * 1024;
const MOST_RATIO = 250;
const SNIFFED = 4_096;

interface LogText {
  /** The text in UTF-8. A chunk may be overwritten when the next one is requested. */
  readonly chunks: AsyncIterable<Buffer>;
  /** Whether the text begins in the middle of a line. */
  readonly isInLine: boolean;
  /** How many bytes of the file were read so far, and how many there are to read. */
  readonly progress: () => { readonly read: number; readonly all: number };
}

/**
 * The text of a log file, or of its last bytes: plain or compressed with gzip, in UTF-8 or UTF-16. Memory is bounded,
 * for any content of a compressed file. Throws a `TerminalError` for a file that is not text. While reading, also for a
 * damaged file, or one that is far larger than a log of its compressed size. Rejects with the signal's reason.
 */
export async function openLogText(
  handle: FileHandle,
  lastBytes: number | undefined,
  signal: AbortSignal,
): Promise<LogText> {
  const { size } = await handle.stat();
  const head = await firstBytes(handle);
  const compression = compressionOf(head);
  if (compression !== undefined && compression !== 'gzip') {
    throw new TerminalError(
      'file_unsupported',
      `The file is ${compression}; a log can be plain text or compressed by gzip.`,
    );
  }
  let read = 0;
  const counted = (from: number, reused: boolean): AsyncGenerator<Buffer> =>
    fileChunks(handle, from, size, reused, (bytes) => {
      read += bytes;
    });
  if (compression === undefined) {
    const encoding = encodingOf(head);
    let start = lastBytes === undefined ? 0 : Math.max(0, size - lastBytes);
    if (encoding !== 'utf8') start -= start % 2;
    const isInLine = start > 0 && !(await isAfterLineBreak(handle, start, encoding));
    const chunks = inUtf8(counted(start, true), encoding);
    return { chunks, isInLine, progress: () => ({ read, all: size - start }) };
  }
  const text = async (): Promise<{ encoding: Encoding; chunks: AsyncIterable<Buffer> }> => {
    const chunks = unpacked(counted(0, false), size);
    const first = await chunks.next();
    const beginning = first.done === true ? Buffer.alloc(0) : first.value;
    return { encoding: encodingOf(beginning.subarray(0, SNIFFED)), chunks: prepended(beginning, chunks) };
  };
  if (lastBytes === undefined) {
    const { encoding, chunks } = await text();
    return { chunks: inUtf8(chunks, encoding), isInLine: false, progress: () => ({ read, all: size }) };
  }
  // The length of the text is known only after reading it. Reading twice needs less memory than keeping the end.
  const measured = await text();
  let length = 0;
  for await (const chunk of measured.chunks) {
    signal.throwIfAborted();
    length += chunk.length;
  }
  const { encoding, chunks } = await text();
  // Also reads the byte before, so that a line that begins exactly there is not treated as the rest of another.
  let start = Math.max(0, length - lastBytes - (encoding === 'utf8' ? 1 : 2));
  if (encoding !== 'utf8') start -= start % 2;
  return {
    chunks: inUtf8(from(chunks, start), encoding),
    isInLine: start > 0,
    progress: () => ({ read, all: 2 * size }),
  };
}

type Encoding = 'utf8' | 'utf-16le' | 'utf-16be';

async function firstBytes(handle: FileHandle): Promise<Buffer> {
  const head = Buffer.alloc(SNIFFED);
  const { bytesRead } = await handle.read(head, 0, SNIFFED, 0);
  return head.subarray(0, bytesRead);
}

const MAGIC: readonly (readonly [string, string])[] = [
  ['1f8b', 'gzip'],
  ['28b52ffd', 'compressed by zstd'],
  ['425a68', 'compressed by bzip2'],
  ['fd377a585a00', 'compressed by xz'],
  ['04224d18', 'compressed by lz4'],
  ['504b0304', 'a zip archive'],
  ['1f9d', 'compressed by compress'],
  ['4c5a4950', 'compressed by lzip'],
  ['7f454c46', 'a program'],
  ['53514c69746520666f726d6174', 'an SQLite database'],
  ['456c6646696c6500', "a binary log of Windows' events (.evtx; wevtutil prints it as text)"],
  ['4c504b5348485248', "systemd's binary journal (journalctl prints it as text)"],
];

function compressionOf(head: Buffer): string | undefined {
  const hex = head.subarray(0, 16).toString('hex');
  return MAGIC.find(([magic]) => hex.startsWith(magic))?.[1];
}

/** The encoding that the first bytes show. Throws when they are not text. */
function encodingOf(head: Buffer): Encoding {
  if (head[0] === 0xff && head[1] === 0xfe) return 'utf-16le';
  if (head[0] === 0xfe && head[1] === 0xff) return 'utf-16be';
  let odd = 0;
  let even = 0;
  let controls = 0;
  for (const [index, byte] of head.entries()) {
    if (byte === 0) {
      if (index % 2 === 0) even += 1;
      else odd += 1;
    } else if (byte < 32 && (byte < 7 || byte > 13) && byte !== 27) {
      controls += 1;
    }
  }
  // Latin letters in UTF-16 have a zero in every other byte.
  if (head.length >= 8) {
    if (odd > head.length * 0.3 && even < odd / 10) return 'utf-16le';
    if (even > head.length * 0.3 && odd < even / 10) return 'utf-16be';
  }
  if (head.subarray(257, 262).toString('latin1') === 'ustar') {
    throw new TerminalError(
      'file_unsupported',
      'The file is a tar archive; a log can be plain text or compressed by gzip.',
    );
  }
  // A crash can leave zeros in a log, but not at its beginning together with other bytes that are not text.
  if (controls > head.length * 0.05) {
    throw new TerminalError('file_unsupported', 'The file is no text; a log can be plain text or compressed by gzip.');
  }
  return 'utf8';
}

async function isAfterLineBreak(handle: FileHandle, start: number, encoding: Encoding): Promise<boolean> {
  const length = encoding === 'utf8' ? 1 : 2;
  const before = Buffer.alloc(length);
  const { bytesRead } = await handle.read(before, 0, length, start - length);
  if (bytesRead < length) return false;
  return (
    before[encoding === 'utf-16be' ? 1 : 0] === 10 && (length === 1 || before[encoding === 'utf-16be' ? 0 : 1] === 0)
  );
}

async function* fileChunks(
  handle: FileHandle,
  start: number,
  end: number,
  reused: boolean,
  onRead: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  const shared = reused ? Buffer.allocUnsafe(CHUNK) : undefined;
  let position = start;
  // It does not wait for text that is appended meanwhile.
  while (position < end) {
    const chunk = shared ?? Buffer.allocUnsafe(CHUNK);
    const { bytesRead } = await handle.read(chunk, 0, Math.min(CHUNK, end - position), position);
    if (bytesRead === 0) return;
    position += bytesRead;
    onRead(bytesRead);
    yield chunk.subarray(0, bytesRead);
  }
}

async function* unpacked(packed: AsyncGenerator<Buffer>, size: number): AsyncGenerator<Buffer> {
  // A compressed log that is still being written has no end marker yet. The existing part is read.
  const gunzip = createGunzip({ chunkSize: CHUNK, finishFlush: constants.Z_SYNC_FLUSH });
  const source = Readable.from(packed);
  source.on('error', (error) => gunzip.destroy(error));
  source.pipe(gunzip);
  let length = 0;
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > ALWAYS_ALLOWED && length > size * MOST_RATIO) {
        throw new TerminalError(
          'file_too_large',
          `The file's ${size} bytes hold more than ${MOST_RATIO} times as much text, so it was not read to its end.`,
        );
      }
      yield chunk;
    }
  } catch (error) {
    const { code, message } = error as { code?: unknown; message?: unknown };
    if (typeof code === 'string' && code.startsWith('Z_')) {
      throw new TerminalError('file_damaged', `The compressed file is damaged: ${String(message)}.`, { cause: error });
    }
    throw error;
  } finally {
    source.destroy();
    gunzip.destroy();
  }
}

async function* prepended(first: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  yield* rest;
}

async function* from(chunks: AsyncIterable<Buffer>, start: number): AsyncGenerator<Buffer> {
  let position = 0;
  for await (const chunk of chunks) {
    const skipped = Math.max(0, start - position);
    position += chunk.length;
    if (skipped < chunk.length) yield chunk.subarray(skipped);
  }
}

async function* inUtf8(chunks: AsyncIterable<Buffer>, encoding: Encoding): AsyncGenerator<Buffer> {
  if (encoding === 'utf8') {
    yield* chunks;
    return;
  }
  const decoder = new TextDecoder(encoding);
  for await (const chunk of chunks) yield Buffer.from(decoder.decode(chunk, { stream: true }));
  yield Buffer.from(decoder.decode());
}
