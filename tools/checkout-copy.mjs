// Copies of a checkout with all packages and nothing built: for tests that build or install in it, beside others that use the original.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const LEFT_OUT = new Set(['node_modules', 'dist', '.git', '.batuta', '.reports', 'coverage']);

/** A copy without packages, in a new temporary directory whose name begins with `prefix`. */
export function copySources(root, prefix) {
  const copy = mkdtempSync(join(tmpdir(), prefix));
  cpSync(root, copy, { recursive: true, filter: (path) => !LEFT_OUT.has(basename(path)) });
  return copy;
}

/** Gives a copy the packages of the original: the same files, where the file system can do that. */
export function linkPackages(root, copy) {
  const inside = ['libs', 'services'].flatMap((group) =>
    readdirSync(join(root, group)).map((name) => join(group, name)),
  );
  for (const folder of ['.', 'cli', 'bench', ...inside]) {
    const [from, to] = [join(root, folder, 'node_modules'), join(copy, folder, 'node_modules')];
    if (!existsSync(from)) continue;
    const linked = spawnSync('cp', ['-al', from, to]).status === 0;
    if (!linked && spawnSync('cp', ['-aT', from, to]).status !== 0) {
      throw new Error(`${from} cannot be copied to ${to}`);
    }
  }
}
