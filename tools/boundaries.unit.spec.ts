import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { countSpecFiles, findProblems } from './boundaries.mjs';

let root: string;

function write(path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}

function writePackage(folder: string, dependencies: string[], references: string[]): void {
  write(
    `${folder}/package.json`,
    JSON.stringify({ dependencies: Object.fromEntries(dependencies.map((name) => [name, '*'])) }),
  );
  const paths = references.map((reference) => ({ path: `../../${reference}/tsconfig.build.json` }));
  write(`${folder}/tsconfig.build.json`, JSON.stringify({ references: paths }));
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'batuta-boundaries-'));
  write('package.json', JSON.stringify({ devDependencies: { '@jest/globals': '*', pg: '*' } }));
  writePackage('libs/contracts', [], []);
  writePackage('libs/messaging', ['@batuta/contracts'], ['libs/contracts']);
  writePackage('services/config', ['@batuta/contracts'], ['libs/contracts']);
  writePackage('services/execution', ['@batuta/contracts', 'pg'], ['libs/contracts']);
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

describe('findProblems', () => {
  it('accepts imports that the table and the manifests allow', () => {
    write(
      'services/execution/src/index.ts',
      "import { Pool } from 'pg';\nimport { decide } from './domain/decide.js';\n",
    );
    write(
      'services/execution/src/domain/decide.ts',
      "import type { A } from '@batuta/contracts';\nimport '../strategies/s.js';\n",
    );
    write(
      'services/execution/src/domain/decide.unit.spec.ts',
      "import { it } from '@jest/globals';\nimport 'node:fs';\n",
    );
    expect(findProblems(root)).toEqual([]);
  });

  it('refuses folders of a package that import each other in a circle, directly or through others', () => {
    write('libs/messaging/src/http/a.ts', "import { b } from '../backend/b.js';\n");
    write('libs/messaging/src/backend/b.ts', "import type { C } from '../realtime/c.js';\n");
    write('libs/messaging/src/realtime/c.ts', "import '../http/other.js';\n");
    write('libs/messaging/src/index.ts', "export { b } from './backend/b.js';\n");
    const folder = 'libs/messaging/src';
    expect(findProblems(root)).toEqual([
      `${folder}/backend: folders import each other in a circle: ${folder}/backend → ${folder}/realtime → ${folder}/http → ${folder}/backend`,
    ]);
  });

  it('accepts a folder that imports another one, and specs that import back', () => {
    write('libs/messaging/src/http/a.ts', "import { b } from '../backend/b.js';\n");
    write('libs/messaging/src/backend/b.unit.spec.ts', "import { it } from '@jest/globals';\nimport '../http/a.js';\n");
    expect(findProblems(root)).toEqual([]);
  });

  it.each([
    ['import', "import { x } from '@batuta/config';"],
    ['type import', "import type { x } from '@batuta/config';"],
    ['export', "export { x } from '@batuta/config';"],
    ['wildcard export', "export * from '@batuta/config';"],
    ['dynamic import', "const x = await import('@batuta/config');"],
    ['type of an import', "type X = import('@batuta/config').X;"],
  ])('refuses a service that imports another by %s', (_kind, line) => {
    write('services/execution/src/a.ts', `${line}\n`);
    expect(findProblems(root)).toEqual(['services/execution/src/a.ts: execution may not import config']);
  });

  it('refuses a library that imports a service', () => {
    write('libs/messaging/src/a.ts', "import '@batuta/execution';\n");
    expect(findProblems(root)).toEqual(['libs/messaging/src/a.ts: messaging may not import execution']);
  });

  it('refuses a deep import into another package, by name or by path', () => {
    write(
      'services/execution/src/a.ts',
      "import '@batuta/contracts/src/x.js';\nimport '../../../libs/contracts/src/x.js';\n",
    );
    expect(findProblems(root)).toEqual([
      'services/execution/src/a.ts: deep import @batuta/contracts/src/x.js; import @batuta/contracts',
      'services/execution/src/a.ts: reaches out of its package: ../../../libs/contracts/src/x.js',
    ]);
  });

  it('lets only tests use the part of the store that tests share', () => {
    write('services/execution/src/a.ts', "import '@batuta/event-store/contract';\n");
    write('services/execution/test/b.ts', "import '@batuta/event-store/contract';\n");
    expect(findProblems(root)).toContainEqual(
      'services/execution/src/a.ts: deep import @batuta/event-store/contract; import @batuta/event-store',
    );
    expect(findProblems(root).filter((problem) => problem.includes('deep import'))).toHaveLength(1);
  });

  it.each(['@nestjs/common', 'typeorm', 'pg', '@nats-io/nats-core', 'node:fs', 'fs', 'rxjs', '../partitions/owner.js'])(
    'refuses %s in the pure folders',
    (specifier) => {
      write('services/execution/src/domain/a.ts', `import ${JSON.stringify(specifier)};\n`);
      write('services/execution/src/strategies/a.ts', `import ${JSON.stringify(specifier)};\n`);
      expect(findProblems(root)).toEqual([
        expect.stringMatching(/^services\/execution\/src\/domain\/a\.ts: pure code /),
        expect.stringMatching(/^services\/execution\/src\/strategies\/a\.ts: pure code /),
      ]);
    },
  );

  it('refuses a package that the manifest does not declare, although the root has installed it', () => {
    write('services/config/src/a.ts', "import 'pg';\n");
    expect(findProblems(root)).toEqual([
      'services/config/src/a.ts: pg is not in the dependencies of services/config/package.json',
    ]);
  });

  it('refuses a manifest that depends on a forbidden package, and references that differ from it', () => {
    writePackage('libs/messaging', ['@batuta/contracts', '@batuta/execution'], ['libs/contracts', 'services/config']);
    expect(findProblems(root)).toEqual([
      'libs/messaging/package.json: messaging may not depend on execution',
      'libs/messaging/tsconfig.build.json: package.json depends on services/execution, but there is no reference to it',
      'libs/messaging/tsconfig.build.json: a reference to services/config, which package.json does not depend on',
    ]);
  });

  it('refuses a test that no jest project runs', () => {
    write('services/execution/src/a.spec.ts', '');
    write('services/execution/src/b.int.spec.ts', '');
    write('services/execution/test/c.int.spec.ts', '');
    expect(findProblems(root)).toEqual([
      'services/execution/src/a.spec.ts: no jest project runs a test of this name in this place',
      'services/execution/src/b.int.spec.ts: no jest project runs a test of this name in this place',
    ]);
    expect(countSpecFiles(root, 'int')).toBe(1);
  });

  it('refuses a package that is not in the table', () => {
    writePackage('libs/misc', [], []);
    expect(findProblems(root)).toEqual([expect.stringMatching(/^libs\/misc: not in the table/)]);
  });
});
