/** How many bytes of a line are read. The rest is skipped. */
export const LONGEST_LINE = 256 * 1024;
const NEWLINE = 10;
const RETURN = 13;

interface ReadLinesOptions {
  readonly signal: AbortSignal;
  /** The bytes begin in the middle of a line. It is skipped unless it is the only line. */
  readonly skipFirst?: boolean;
  readonly onLine: (line: string) => void;
  /** Called after each chunk with the number of bytes read so far. */
  readonly onChunk?: (bytes: number) => void;
}

/**
 * Calls `onLine` for each line of UTF-8 text, without keeping more than one chunk and one line. A chunk may be
 * overwritten when the next one is requested. Rejects with the signal's reason.
 */
export async function readLines(chunks: AsyncIterable<Buffer>, options: ReadLinesOptions): Promise<void> {
  const { signal, onLine, onChunk } = options;
  let held = Buffer.allocUnsafe(16 * 1024);
  let heldLength = 0;
  let bytes = 0;
  let any = false;
  let skip = options.skipFirst ?? false;
  const hold = (chunk: Buffer, from: number, to: number): void => {
    const room = Math.min(to - from, LONGEST_LINE - heldLength);
    if (room <= 0) return;
    if (heldLength + room > held.length) {
      const larger = Buffer.allocUnsafe(Math.min(LONGEST_LINE, Math.max(held.length * 2, heldLength + room)));
      held.copy(larger, 0, 0, heldLength);
      held = larger;
    }
    heldLength += chunk.copy(held, heldLength, from, from + room);
  };
  const text = (buffer: Buffer, from: number, to: number): string =>
    buffer.toString('utf8', from, to > from && buffer[to - 1] === RETURN ? to - 1 : to);
  for await (const chunk of chunks) {
    signal.throwIfAborted();
    bytes += chunk.length;
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, from);
      if (end === -1) break;
      if (skip) {
        skip = false;
      } else if (any) {
        hold(chunk, from, end);
        onLine(text(held, 0, heldLength));
      } else {
        onLine(text(chunk, from, Math.min(end, from + LONGEST_LINE)));
      }
      heldLength = 0;
      any = false;
      from = end + 1;
    }
    if (from < chunk.length) {
      any = true;
      hold(chunk, from, chunk.length);
    }
    onChunk?.(bytes);
  }
  signal.throwIfAborted();
  if (any) onLine(text(held, 0, heldLength));
}
