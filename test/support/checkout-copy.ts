import { spawnSync } from 'node:child_process';
import { chownSync, cpSync, existsSync, mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { ROOT } from './command.js';

export interface Account {
  readonly uid: number;
  readonly gid: number;
}

const LEFT_OUT = new Set(['node_modules', 'dist', '.git', '.batuta', '.reports', 'coverage']);

/** A copy of this checkout as a user has it after `npm ci`: owned by the user, with all packages, and nothing built. */
export function copyCheckout({ uid, gid }: Account): string {
  const copy = mkdtempSync(join(tmpdir(), 'batuta-checkout-'));
  cpSync(ROOT, copy, { recursive: true, filter: (path) => !LEFT_OUT.has(basename(path)) });
  const paths = readdirSync(copy, { recursive: true, encoding: 'utf8' }).map((path) => join(copy, path));
  for (const path of [copy, ...paths]) chownSync(path, uid, gid);
  // The packages come afterwards. If the file system allows it, their files are hard links, and they do not belong to
  // the user.
  for (const folder of foldersWithPackages()) {
    const [from, to] = [join(ROOT, folder, 'node_modules'), join(copy, folder, 'node_modules')];
    const linked = spawnSync('cp', ['-al', from, to]).status === 0;
    if (!linked && spawnSync('cp', ['-aT', from, to]).status !== 0)
      throw new Error(`${from} cannot be copied to ${to}`);
  }
  return copy;
}

function foldersWithPackages(): string[] {
  const groups = ['libs', 'services'].flatMap((group) =>
    readdirSync(join(ROOT, group)).map((name) => join(ROOT, group, name)),
  );
  return [ROOT, join(ROOT, 'cli'), join(ROOT, 'bench'), ...groups]
    .filter((folder) => existsSync(join(folder, 'node_modules')))
    .map((folder) => relative(ROOT, folder));
}
