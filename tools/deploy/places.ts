import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '..', '..');

/** A file of the repository, by its path from the top folder. */
export function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** Paths of all files below a folder of the repository, without built and installed ones. */
export function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder)).flatMap((name) => {
    const path = `${folder}/${name}`;
    if (!statSync(join(root, path)).isDirectory()) return [path];
    return ['node_modules', 'dist', 'generated'].includes(name) ? [] : filesBelow(path);
  });
}
