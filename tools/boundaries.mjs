// One table with the allowed imports between packages, and the checks that follow from it. tools/check-boundaries.mjs
// checks the repository.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { parseSync } from '@swc/core';
import { services } from './services/table.mjs';

const libs = [
  'contracts',
  'calendar',
  'documents',
  'program',
  'settings',
  'observability',
  'service',
  'collections',
  'messaging',
  'control',
  'worker',
  'nats-accounts',
  'log-reader',
  'sandbox',
  'outbound-http',
  'local-stack',
];

/** The workspace packages that each package may import. */
export const mayImport = {
  contracts: [],
  client: [],
  program: [],
  settings: [],
  collections: [],
  calendar: ['contracts', 'documents'],
  documents: ['contracts'],
  observability: ['contracts', 'settings'],
  service: ['collections', 'contracts', 'observability', 'program', 'settings'],
  // Workers use these libraries, and they do not depend on Nest, so that a worker is a small program.
  messaging: ['contracts', 'settings', 'collections'],
  control: ['collections', 'contracts', 'messaging', 'observability'],
  worker: ['client', 'collections', 'contracts', 'messaging'],
  conformance: ['contracts', 'local-stack', 'messaging', 'nats-accounts'],
  'event-store': ['contracts'],
  // Follows the log over NATS. It must not know the store, because projections of other services have another database.
  'log-reader': ['contracts', 'messaging', 'observability'],
  sandbox: ['contracts', 'settings'],
  'outbound-http': ['collections'],
  'nats-accounts': ['contracts'],
  'local-stack': ['contracts', 'settings', 'nats-accounts'],
  testing: ['contracts', 'settings', 'observability', 'messaging', 'local-stack'],
  ...Object.fromEntries(services.map((name) => [name, libs])),
  // Only the execution service has the log. The others follow it.
  execution: [...libs.filter((name) => name !== 'log-reader'), 'event-store'],
  standalone: [...libs, 'event-store', ...services],
  cli: [
    'client',
    'contracts',
    'program',
    'settings',
    'observability',
    'service',
    'nats-accounts',
    'local-stack',
    'config',
    'execution',
    'notifications',
    'standalone',
  ],
  bench: [...libs, 'client', 'testing', ...services, 'standalone'],
};

/** Folders with pure code, and the only packages that it may import. */
const pure = [/^services\/[^/]+\/src\/domain\//, /^services\/execution\/src\/strategies\//];
const pureImports = ['@batuta/contracts', '@batuta/calendar'];

/**
 * Packages whose folders still import each other in circles. Every other package must have none. Never add a package
 * here.
 */
const circlesIn = new Set([
  'cli',
  'libs/client',
  'libs/contracts',
  'libs/event-store',
  'libs/local-stack',
  'services/config',
  'services/execution',
  'services/notifications',
  'services/step-runner',
]);

/** Parts of packages' tests that other packages' tests use. The package exports each for sources only. */
const sharedInTests = new Set(['@batuta/event-store/contract']);

/** The folders of each kind of test. jest.config.mjs runs the same ones. */
const specPlaces = {
  unit: [/^((libs|services)\/[^/]+|cli|bench)\/src\/.+\.unit\.spec\.ts$/, /^tools\/.+\.unit\.spec\.ts$/],
  prop: [/^((libs|services)\/[^/]+|cli|bench)\/src\/.+\.prop\.spec\.ts$/, /^tools\/.+\.prop\.spec\.ts$/],
  int: [/^((libs|services)\/[^/]+|cli|bench)\/test\/.+\.int\.spec\.ts$/],
  e2e: [/^test\/e2e\/.+\.e2e\.spec\.ts$/],
  hostile: [/^test\/hostile\/.+\.hostile\.spec\.ts$/],
  chaos: [/^test\/chaos\/.+\.chaos\.spec\.ts$/],
  jaeger: [/^test\/jaeger\/.+\.jaeger\.spec\.ts$/],
};

const places = ['libs', 'services', 'cli', 'bench', 'test', 'tools', 'examples'];

const skippedFolders = new Set(['node_modules', 'dist', '.git', '.batuta', '.reports', 'coverage', 'generated']);
const builtins = new Set(builtinModules);

/** Paths of the files below `folder` that `wanted` accepts, relative to `root` and with `/`. */
function filesBelow(root, folder, wanted) {
  const at = join(root, folder);
  if (!existsSync(at)) return [];
  return readdirSync(at, { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return skippedFolders.has(entry.name) ? [] : filesBelow(root, path, wanted);
    return wanted(path) ? [path] : [];
  });
}

/**
 * Every module specifier in a parsed file: import, export from, import(), import type x = …, and types such as
 * import('x').
 */
function specifiersIn(node, found = []) {
  if (Array.isArray(node)) {
    for (const item of node) specifiersIn(item, found);
  } else if (node !== null && typeof node === 'object') {
    if (/^(Import|Export(Named|All))Declaration$/.test(node.type ?? '') && node.source) {
      found.push(node.source.value);
    } else if (node.type === 'CallExpression' && node.callee?.type === 'Import') {
      const argument = node.arguments[0]?.expression;
      if (argument?.type === 'StringLiteral') found.push(argument.value);
    } else if (node.type === 'TsImportType') {
      found.push(node.argument.value);
    }
    for (const value of Object.values(node)) {
      if (value !== null && typeof value === 'object') specifiersIn(value, found);
    }
  }
  return found;
}

const packageOf = (specifier) =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

/** The workspace packages of a tree: folder, short name, manifest. */
function packagesOf(root) {
  const folders = ['libs', 'services'].flatMap((group) =>
    existsSync(join(root, group)) ? readdirSync(join(root, group)).map((name) => `${group}/${name}`) : [],
  );
  return [...folders, 'cli', 'bench']
    .filter((folder) => existsSync(join(root, folder, 'package.json')))
    .map((folder) => ({
      folder,
      name: folder.split('/').at(-1),
      manifest: JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')),
    }));
}

function problemsOfManifest(root, { folder, name, manifest }, packages) {
  const problems = [];
  const allowed = mayImport[name];
  if (allowed === undefined) return [`${folder}: not in the table of tools/boundaries.mjs; say what it may import`];
  const declared = Object.keys(manifest.dependencies ?? {})
    .filter((dependency) => dependency.startsWith('@batuta/'))
    .map((dependency) => dependency.slice('@batuta/'.length));
  for (const dependency of declared) {
    if (!allowed.includes(dependency)) problems.push(`${folder}/package.json: ${name} may not depend on ${dependency}`);
  }
  const references = JSON.parse(readFileSync(join(root, folder, 'tsconfig.build.json'), 'utf8')).references ?? [];
  const referenced = references.map(({ path }) =>
    dirname(relative(root, resolve(root, folder, path))).replaceAll(sep, '/'),
  );
  const expected = packages.filter((other) => declared.includes(other.name)).map((other) => other.folder);
  for (const missing of expected.filter((other) => !referenced.includes(other))) {
    problems.push(`${folder}/tsconfig.build.json: package.json depends on ${missing}, but there is no reference to it`);
  }
  for (const extra of referenced.filter((other) => !expected.includes(other))) {
    problems.push(`${folder}/tsconfig.build.json: a reference to ${extra}, which package.json does not depend on`);
  }
  return problems;
}

/**
 * The manifest that declares a file's imports: the nearest package.json above it, because a package may contain another
 * one.
 */
function manifestOf(root, path) {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const file = join(root, folder, 'package.json');
    if (existsSync(file)) return { place: join(folder, 'package.json'), ...JSON.parse(readFileSync(file, 'utf8')) };
  }
}

function problemsOfImport({ root, path, specifier, owner, rootManifest, inTest }) {
  if (specifier.startsWith('.')) {
    const target = relative(root, resolve(root, dirname(path), specifier)).replaceAll(sep, '/');
    if (owner && !target.startsWith(`${owner.folder}/`)) return [`reaches out of its package: ${specifier}`];
    if (!inTest && pure.some((folder) => folder.test(path)) && !pure.some((folder) => folder.test(target))) {
      return [`pure code imports ${specifier}, which is not in a pure folder`];
    }
    return [];
  }
  const imported = packageOf(specifier);
  const isBuiltin = specifier.startsWith('node:') || builtins.has(imported);
  if (!inTest && pure.some((folder) => folder.test(path)) && !pureImports.includes(imported)) {
    return [`pure code may import only ${pureImports.join(', ')} and its own folders, not ${specifier}`];
  }
  if (isBuiltin) return specifier.startsWith('node:') ? [] : [`write node:${specifier}`];
  if (imported.startsWith('@batuta/')) {
    if (specifier !== imported && !(inTest && sharedInTests.has(specifier))) {
      return [`deep import ${specifier}; import ${imported}`];
    }
    const name = imported.slice('@batuta/'.length);
    if (!owner || (inTest && [owner.name, 'testing', 'conformance'].includes(name))) return [];
    if (name === owner.name) return [`imports its own package by name: ${specifier}`];
    if (!mayImport[owner.name]?.includes(name)) return [`${owner.name} may not import ${name}`];
  }
  const manifest = manifestOf(root, path);
  const declaredIn = [manifest.dependencies];
  if (inTest || !owner) declaredIn.push(manifest.devDependencies, rootManifest.devDependencies);
  if (declaredIn.some((dependencies) => dependencies?.[imported] !== undefined)) return [];
  return [`${imported} is not in the dependencies of ${manifest.place}`];
}

/** The shortest circle of imports through a folder; undefined when there is none. */
function circleThrough(start, imports) {
  const ways = [[start]];
  const seen = new Set();
  for (let way = ways.shift(); way !== undefined; way = ways.shift()) {
    for (const next of imports.get(way.at(-1)) ?? []) {
      if (next === start) return [...way, start];
      if (seen.has(next)) continue;
      seen.add(next);
      ways.push([...way, next]);
    }
  }
  return undefined;
}

/** One problem for each circle of folders. `imports`: the folders that each folder imports. */
function problemsOfCircles(imports) {
  const told = new Set();
  return [...imports.keys()].toSorted().flatMap((folder) => {
    const circle = told.has(folder) ? undefined : circleThrough(folder, imports);
    if (circle === undefined) return [];
    for (const each of circle) told.add(each);
    return [`${folder}: folders import each other in a circle: ${circle.join(' → ')}`];
  });
}

/** The number of test files of one kind (unit, prop, int, e2e, chaos) below `root`. */
export function countSpecFiles(root, kind) {
  const isOfKind = (path) => specPlaces[kind].some((place) => place.test(path));
  return places.flatMap((place) => filesBelow(root, place, isOfKind)).length;
}

/**
 * All problems with the imports, manifests and places of tests below `root`, one line each. Empty when there is none.
 * @throws when a source file cannot be parsed.
 */
export function findProblems(root) {
  const packages = packagesOf(root);
  const rootManifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const problems = packages.flatMap((owner) => problemsOfManifest(root, owner, packages));
  const files = places.flatMap((place) => filesBelow(root, place, (path) => /\.(ts|mts|mjs|js)$/.test(path)));
  const folderImports = new Map();
  for (const path of files) {
    if (
      /\.(spec|test)\.[cm]?[jt]s$/.test(path) &&
      !Object.values(specPlaces)
        .flat()
        .some((place) => place.test(path))
    ) {
      problems.push(`${path}: no jest project runs a test of this name in this place`);
    }
    // Examples do not depend on the repository, because a reader copies a single folder.
    if (path.startsWith('examples/')) continue;
    const owner = packages.find(({ folder }) => path.startsWith(`${folder}/`));
    const inTest = path.endsWith('.spec.ts') || (owner !== undefined && path.startsWith(`${owner.folder}/test/`));
    const tree = parseSync(readFileSync(join(root, path), 'utf8'), {
      syntax: path.endsWith('ts') ? 'typescript' : 'ecmascript',
      decorators: true,
      target: 'es2023',
    });
    for (const specifier of new Set(specifiersIn(tree.body))) {
      if (owner !== undefined && !inTest && !circlesIn.has(owner.folder) && specifier.startsWith('.')) {
        const folder = dirname(path);
        const target = dirname(join(folder, specifier)).replaceAll(sep, '/');
        if (target !== folder) folderImports.set(folder, (folderImports.get(folder) ?? new Set()).add(target));
      }
      for (const problem of problemsOfImport({ root, path, specifier, owner, rootManifest, inTest })) {
        problems.push(`${path}: ${problem}`);
      }
    }
  }
  return [...problems, ...problemsOfCircles(folderImports)];
}
