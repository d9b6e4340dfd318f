import { open } from 'node:fs/promises';

const BYTES = 4096;
const LINES = 12;

/** The last lines of a process's log for an error message, without the lines before the byte `from`. Never throws. */
export async function logTail(logFile: string, from = 0): Promise<string> {
  try {
    const file = await open(logFile, 'r');
    try {
      const { size } = await file.stat();
      const { buffer, bytesRead } = await file.read(Buffer.alloc(BYTES), 0, BYTES, Math.max(from, size - BYTES));
      const lines = buffer.toString('utf8', 0, bytesRead).trimEnd().split('\n').slice(-LINES);
      return `Its log, ${logFile}, ends:\n${lines.join('\n')}`;
    } finally {
      await file.close();
    }
  } catch {
    return `Its log is ${logFile}.`;
  }
}
