// Copies of a checkout with all packages: for tests that build or install in it, beside others that use the original.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const LEFT_OUT = new Set(['node_modules', 'dist', '.git', '.batuta', '.reports', 'coverage']);

/**
 * A copy without packages, in a new temporary directory whose name begins with `prefix`. Nothing in it is built, except when `built` asks
 * for what is built in the original; its times tell that it is not out of date.
 */
export function copySources(root, prefix, { built = false } = {}) {
  const copy = mkdtempSync(join(tmpdir(), prefix));
  const isCopied = (name) => !LEFT_OUT.has(name) || (built && name === 'dist');
  cpSync(root, copy, { recursive: true, preserveTimestamps: true, filter: (path) => isCopied(basename(path)) });
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
