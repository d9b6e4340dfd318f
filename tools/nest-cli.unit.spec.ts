import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { read, root } from './deploy/places.js';

interface Project {
  readonly type: string;
  readonly root: string;
  readonly sourceRoot: string;
  readonly entryFile: string;
  readonly compilerOptions: { readonly tsConfigPath: string };
}

const { projects } = JSON.parse(read('nest-cli.json')) as { projects: Readonly<Record<string, Project>> };
const packagesIn = (folder: string): string[] =>
  readdirSync(join(root, folder)).filter((name) => existsSync(join(root, folder, name, 'package.json')));

describe('nest-cli.json', () => {
  it('names every library and every service, and nothing else', () => {
    const libraries = Object.entries(projects).filter(([, { type }]) => type === 'library');
    const applications = Object.entries(projects).filter(([, { type }]) => type === 'application');
    expect(libraries.map(([name]) => name).toSorted()).toEqual(packagesIn('libs').toSorted());
    expect(applications.map(([name]) => name).toSorted()).toEqual(packagesIn('services').toSorted());
  });

  it('names existing files', () => {
    const files = Object.values(projects).flatMap(({ sourceRoot, entryFile, compilerOptions }) => [
      `${sourceRoot}/${entryFile}.ts`,
      compilerOptions.tsConfigPath,
    ]);
    expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });
});
