import { spawnSync } from 'node:child_process';
import { join, relative } from 'node:path';
import { expect, test } from '@jest/globals';
import { root } from '../deploy/places.js';
import { sources } from './sources.mjs';

test('a build without types compiles exactly the files that tsc compiles', () => {
  const own = sources(root).map(({ from }) => relative(root, from));
  expect(own).toEqual(expect.arrayContaining(['libs/sandbox/src/worker/main.js', 'cli/src/command.ts']));
  const configs = new Set(own.map((path) => `${path.slice(0, path.indexOf('/src/'))}/tsconfig.build.json`));
  const compiled = [...configs].flatMap((config) => {
    const { stdout } = spawnSync(
      process.execPath,
      [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(root, config), '--showConfig'],
      { encoding: 'utf8' },
    );
    const { files } = JSON.parse(stdout) as { files: readonly string[] };
    return files.map((file) => join(config, '..', file));
  });
  expect(own.toSorted()).toEqual(compiled.filter((file) => !file.endsWith('.d.ts')).toSorted());
}, 600_000);
