import { readFileSync, readdirSync } from 'node:fs';

/** Ids of all processes whose command line or environment contains a text (Linux: read from /proc). */
export function processesNaming(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid)
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text) ||
          readFileSync(`/proc/${pid}/environ`, 'utf8').includes(text)
        );
      } catch {
        // It has ended, or it belongs to another user.
        return false;
      }
    });
}
