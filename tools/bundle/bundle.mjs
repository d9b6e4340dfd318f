import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { serialize } from 'node:v8';
import { transformSync } from '@swc/core';
import { build } from 'esbuild';
import { ID_BYTES, codeFile, isCurrent, linesFile, notesFile } from '@batuta/program';
import { namedClasses } from './named-classes.mjs';

const root = join(import.meta.dirname, '../..');
const bundleOf = (program) => program.replace(/\.js$/, '.bundle.cjs');

const posix = (path) => path.replaceAll(sep, '/');
const inPackages = (path) => posix(path).includes('/node_modules/');

/** Writes a file whole or not at all: a process may be starting from it. */
function write(file, content) {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, content);
  renameSync(temporary, file);
}

const prepared = new Map();
/** A module's text with what a bundle would change about it put right; the same for every bundle. */
function prepare(path) {
  let text = prepared.get(path);
  if (text === undefined) {
    text = readFileSync(path, 'utf8');
    // Nest's way to load a package that it does without, which a bundler does not see through: a second copy would be loaded.
    if (/\/node_modules\/@nestjs\/(?!swagger\/)/.test(posix(path))) {
      text = text
        .replace(/^const require = createRequire\(import\.meta\.url\);$/m, '')
        .replaceAll('createRequire(import.meta.url)(', 'require(');
    }
    // A package's map names sources that it does not bring.
    if (inPackages(path)) text = text.replace(/\n\/\/[#@] sourceMappingURL=[^\n]*\s*$/, '\n');
    text = namedClasses(text);
    prepared.set(path, text);
  }
  return text;
}

/** The namespace of what is our own: in it esbuild does not ask a package.json what kind of module a file is. */
const OWN = 'own';

/** What became of modules of our own, the same for every bundle but where a module asks for its place. */
const functions = new Map();

/** The source map of a module with whole paths: a bundler does not know beside which file a module of a plugin is. */
function placedMap(map, path) {
  const { sourceRoot: _, ...rest } = JSON.parse(map);
  return { ...rest, sources: rest.sources.map((source) => resolve(dirname(path), source)) };
}

/**
 * A module of our own as a function. esbuild makes variables of all constants and classes of a bundled module's top level, and V8
 * takes what is a constant, and stays one, for what it is when it compiles: a seventh of what an execution costs.
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
  // Files are found beside the module that asks, wherever the bundle is.
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
        // Loaded when spans are exported, and as large as all the rest.
        if (kind === 'dynamic-import' && path.startsWith('@opentelemetry/')) return { path, external: true };
        const found = await resolve(path, { kind, importer, resolveDir, pluginData: asked });
        // A package that another can do without, and does.
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

/** Which line of which source each line of a bundle comes from (StackLines of @batuta/program). */
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
  // A program may be built in one place and run in another.
  const sources = payload.sources.map((path) => (isAbsolute(path) ? posix(relative(dirname(bundle), path)) : path));
  return serialize({ sources, source, line });
}

/**
 * Makes the bundle of a program and compiles it. The program is a module that exports `main`; the bundle goes beside it.
 * Throws when it cannot be bundled or loaded.
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
        // As Node.js has it from 21 on. Without it pg makes a Response to find out where it is, which loads all of fetch.
        `const bundleNavigator = globalThis.navigator ?? { userAgent: 'Node.js/' + process.versions.node.split('.')[0] };`,
      ].join('\n'),
    },
    footer: { js: 'return module.exports;\n})' },
    plugins: [bundling(file)],
  });
  const [{ text: map }, { text }] = outputFiles.toSorted((one, other) => other.path.length - one.path.length);
  const id = createHash('sha256').update(text).digest('hex').slice(0, ID_BYTES);
  // Of a package what tsc notes whenever it writes something; of what is installed what npm does.
  const compiled = new Set(
    Object.keys(metafile.inputs)
      .map((input) => (input.startsWith(`${OWN}:`) ? posix(relative(root, input.slice(OWN.length + 1))) : input))
      .filter((input) => !inPackages(`/${input}`))
      .map((input) => input.replace(/\/dist\/.*$/, '/dist/.tsbuildinfo')),
  );
  const inputs = [
    ...compiled,
    'node_modules/.package-lock.json',
    ...['main', 'bundle', 'named-classes', 'compile'].map((tool) => `tools/bundle/${tool}.mjs`),
  ].map((input) => posix(relative(dirname(file), join(root, input))));
  // The bundle after its notes, which say when it is out of date; its code last, which says that all is done.
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

/** Whether the bundle of a program is newer than all that went into it, and compiled by this Node.js. */
export function isDone(program) {
  const file = bundleOf(program);
  if (!existsSync(codeFile(file)) || !existsSync(notesFile(file)) || !isCurrent(file)) return false;
  return JSON.parse(readFileSync(notesFile(file), 'utf8')).node === process.version;
}
