import { renameSync, writeFileSync } from 'node:fs';

/**
 * Writes a file completely or not at all: a process may be starting from it, and after Ctrl-C half a file would count
 * as done.
 */
export function write(file, content) {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, content);
  renameSync(temporary, file);
}
