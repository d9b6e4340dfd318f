import type { FileHandle } from 'node:fs/promises';

/** Bytes of a line that are looked at; the rest is skipped. */
const LONGEST_LINE = 16 * 1024;
/** Small enough that the lines of one chunk keep the event loop for a few milliseconds only. */
const CHUNK = 128 * 1024;
const NEWLINE = 10;
const RETURN = 13;

/**
 * Calls `onLine` for each line of a file from the byte `start`, without keeping more than one chunk and one line. Stops with the
 * signal's reason. `onChunk` is told how many bytes have been read.
 */
export async function readLines(
  file: FileHandle,
  start: number,
  signal: AbortSignal,
  onLine: (line: string) => void,
  onChunk: (bytes: number) => void,
): Promise<void> {
  const chunk = Buffer.allocUnsafe(CHUNK);
  const held = Buffer.allocUnsafe(LONGEST_LINE);
  let heldLength = 0;
  let position = start;
  let any = false;
  const hold = (from: number, to: number): void => {
    const room = Math.min(to - from, LONGEST_LINE - heldLength);
    if (room > 0) heldLength += chunk.copy(held, heldLength, from, from + room);
  };
  const text = (buffer: Buffer, from: number, to: number): string =>
    buffer.toString('utf8', from, to > from && buffer[to - 1] === RETURN ? to - 1 : to);
  for (;;) {
    signal.throwIfAborted();
    const { bytesRead } = await file.read(chunk, 0, CHUNK, position);
    if (bytesRead === 0) break;
    position += bytesRead;
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, from);
      if (end === -1 || end >= bytesRead) break;
      if (any) {
        hold(from, end);
        onLine(text(held, 0, heldLength));
      } else {
        onLine(text(chunk, from, Math.min(end, from + LONGEST_LINE)));
      }
      heldLength = 0;
      any = false;
      from = end + 1;
    }
    if (from < bytesRead) {
      any = true;
      hold(from, bytesRead);
    }
    onChunk(position - start);
  }
  if (any) onLine(text(held, 0, heldLength));
}
