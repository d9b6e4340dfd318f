import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { serialize } from 'node:v8';
import { transformSync } from '@swc/core';
import { build } from 'esbuild';
import { ID_BYTES, codeFile, isCurrent, linesFile, notesFile } from '@batuta/program';
import { namedClasses } from './named-classes.mjs';
import { write } from './write.mjs';

const root = join(import.meta.dirname, '../..');
const bundleOf = (program) => program.replace(/\.js$/, '.bundle.cjs');

const posix = (path) => path.replaceAll(sep, '/');
const inPackages = (path) => posix(path).includes('/node_modules/');

const prepared = new Map();
/** The text of a module, with corrections for what bundling would change. It is the same for every bundle. */
function prepare(path) {
  let text = prepared.get(path);
  if (text === undefined) {
    text = readFileSync(path, 'utf8');
    // Nest loads optional packages in this way, which a bundler cannot follow. A second copy would be loaded.
    if (/\/node_modules\/@nestjs\/(?!swagger\/)/.test(posix(path))) {
      text = text
        .replace(/^const require = createRequire\(import\.meta\.url\);$/m, '')
        .replaceAll('createRequire(import.meta.url)(', 'require(');
    }
    // A package's source map names sources that the package does not contain.
    if (inPackages(path)) text = text.replace(/\n\/\/[#@] sourceMappingURL=[^\n]*\s*$/, '\n');
    text = namedClasses(text);
    prepared.set(path, text);
  }
  return text;
}

/**
 * The namespace for this repository's modules. In it, esbuild does not read a package.json to find out the kind of a
 * module.
 */
const OWN = 'own';

/**
 * The converted modules of this repository. They are the same for every bundle, except when a module uses its own path.
 */
const functions = new Map();

/** A module's source map with absolute paths, because a bundler does not know the directory of a plugin's module. */
function placedMap(map, path) {
  const { sourceRoot: _, ...rest } = JSON.parse(map);
  return { ...rest, sources: rest.sources.map((source) => resolve(dirname(path), source)) };
}

/**
 * Converts a module of this repository to a function. esbuild turns all constants and classes at the top level of a
 * bundled module into variables. V8 compiles a constant that stays one to its value, which saves a seventh of the cost
 * of an execution.
 */
function asFunction(path, text) {
  const known = functions.get(path);
  if (known?.text === text) return known.contents;
  const { code, map } = transformSync(text, {
    filename: path,
    sourceFileName: path,
    configFile: false,
    swcrc: false,
    isModule: true,
    sourceMaps: true,
    jsc: { target: 'es2022', parser: { syntax: 'ecmascript' } },
    module: { type: 'commonjs', importInterop: 'swc', ignoreDynamic: true },
  });
  const sourceMap = Buffer.from(JSON.stringify(placedMap(map, path))).toString('base64');
  const contents = `(function () { ${code}\n})();\n//# sourceMappingURL=data:application/json;base64,${sourceMap}`;
  functions.set(path, { text, contents });
  return contents;
}

function bundling(bundle) {
  const asked = Symbol('asked');
  // Files are found relative to their module, wherever the bundle is.
  const placed = (path) =>
    prepare(path).replaceAll(
      'import.meta.url',
      `new URL(${JSON.stringify(posix(relative(dirname(bundle), path)))}, bundleUrl).href`,
    );
  return {
    name: 'bundling',
    setup({ onResolve, onLoad, resolve }) {
      onResolve({ filter: /./ }, async ({ path, kind, importer, resolveDir, pluginData }) => {
        if (pluginData === asked || kind === 'entry-point') return undefined;
        // Loaded only when spans are exported, and as large as everything else together.
        if (kind === 'dynamic-import' && path.startsWith('@opentelemetry/')) return { path, external: true };
        const found = await resolve(path, { kind, importer, resolveDir, pluginData: asked });
        // An optional package that is not installed.
        if (found.errors.length > 0) return /^[^./]/.test(path) ? { path, external: true } : found;
        const own = /\.m?js$/.test(found.path) && !inPackages(found.path) && !found.external;
        return own ? { path: found.path, namespace: OWN, sideEffects: found.sideEffects } : found;
      });
      onLoad({ filter: /\.m?js$/, namespace: OWN }, ({ path }) => ({
        contents: asFunction(path, placed(path)),
        loader: 'js',
        resolveDir: dirname(path),
      }));
      onLoad({ filter: /\.[cm]?js$/ }, ({ path }) => ({ contents: placed(path), loader: 'js' }));
    },
  };
}

/** The source and line of each line of a bundle (StackLines of @batuta/program). */
function stackLines(bundle, text, map) {
  const payload = JSON.parse(map);
  const finder = new SourceMap(payload);
  const sourceAt = new Map(payload.sources.map((source, index) => [source, index + 1]));
  const lines = text.split('\n');
  const source = new Uint16Array(lines.length);
  const line = new Uint32Array(lines.length);
  for (const [index, content] of lines.entries()) {
    const entry = finder.findEntry(index, Math.max(0, content.search(/\S/)));
    if (entry.generatedLine !== index) continue;
    source[index] = sourceAt.get(entry.originalSource) ?? 0;
    line[index] = entry.originalLine + 1;
  }
  // A program may be built in one directory and run in another.
  const sources = payload.sources.map((path) => (isAbsolute(path) ? posix(relative(dirname(bundle), path)) : path));
  return serialize({ sources, source, line });
}

/**
 * Bundles a program and compiles the bundle. The program is a module that exports `main`; the bundle is written beside
 * it. Throws when it cannot be bundled or loaded.
 */
export async function bundle(program) {
  const file = bundleOf(program);
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: [program],
    outfile: file,
    write: false,
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    format: 'cjs',
    supported: { 'dynamic-import': false },
    define: { navigator: 'bundleNavigator' },
    charset: 'ascii',
    legalComments: 'none',
    sourcemap: 'external',
    sourcesContent: false,
    metafile: true,
    logLevel: 'error',
    banner: {
      js: [
        `/*${'0'.repeat(ID_BYTES)}*/(function (require, __filename, __dirname) {`,
        'const exports = {}, module = { exports };',
        `const bundleUrl = require('node:url').pathToFileURL(__filename);`,
        // Node.js has it from version 21 on. Without it, pg creates a Response to detect its environment, which loads
        // all of fetch.
        `const bundleNavigator = globalThis.navigator ?? { userAgent: 'Node.js/' + process.versions.node.split('.')[0] };`,
      ].join('\n'),
    },
    footer: { js: 'return module.exports;\n})' },
    plugins: [bundling(file)],
  });
  const [{ text: map }, { text }] = outputFiles.toSorted((one, other) => other.path.length - one.path.length);
  const id = createHash('sha256').update(text).digest('hex').slice(0, ID_BYTES);
  // For a package, the files that tsc and tools/bundle/transpile.mjs update at every compilation; for installed packages, the
  // file that npm updates.
  const compiled = new Set(
    Object.keys(metafile.inputs)
      .map((input) => (input.startsWith(`${OWN}:`) ? posix(relative(root, input.slice(OWN.length + 1))) : input))
      .filter((input) => !inPackages(`/${input}`))
      .flatMap((input) =>
        input.includes('/dist/')
          ? ['.tsbuildinfo', '.transpiled'].map((name) => input.replace(/\/dist\/.*$/, `/dist/${name}`))
          : [input],
      ),
  );
  const inputs = [
    ...compiled,
    'node_modules/.package-lock.json',
    ...['main', 'bundle', 'named-classes', 'compile'].map((tool) => `tools/bundle/${tool}.mjs`),
  ].map((input) => posix(relative(dirname(file), join(root, input))));
  // The bundle is written after its notes, which tell when it is out of date. Its compiled code is written last and
  // marks the end.
  rmSync(codeFile(file), { force: true });
  write(notesFile(file), JSON.stringify({ node: process.version, inputs }));
  write(linesFile(file), stackLines(file, text, map));
  write(file, text.replace('0'.repeat(ID_BYTES), id));
  await compile(file);
}

function compile(file) {
  return new Promise((resolve, reject) => {
    const { NODE_OPTIONS: _, ...env } = process.env;
    const args = [...process.execArgv, join(root, 'tools/bundle/compile.mjs'), file];
    const child = spawn(process.execPath, args, { env, stdio: 'inherit' });
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`${file} could not be compiled: ${code}`)),
    );
  });
}

/** Compiles a bundle that another version of Node.js compiled, which may not use its code. */
export async function compileAgain(program) {
  const file = bundleOf(program);
  rmSync(codeFile(file), { force: true });
  write(notesFile(file), JSON.stringify({ ...notesOf(file), node: process.version }));
  await compile(file);
}

const notesOf = (file) => JSON.parse(readFileSync(notesFile(file), 'utf8'));

/** Whether a program's bundle is newer than all its inputs, and whether this Node.js compiled it. */
export function stateOf(program) {
  const file = bundleOf(program);
  const bundled = existsSync(codeFile(file)) && existsSync(notesFile(file)) && isCurrent(file);
  return { bundled, compiled: bundled && notesOf(file).node === process.version };
}
