// Lets Node run this repository's TypeScript, one file at a time with swc as the tests do, and puts deliberate faults in.
// SIMULATION_FAULT is JSON: [{file, from, to}], text to replace in sources before they are compiled.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { transformSync } from '@swc/core';

const patches = JSON.parse(process.env.SIMULATION_FAULT ?? '[]');

export async function resolve(specifier, context, next) {
  if (specifier.startsWith('.') && specifier.endsWith('.js')) {
    const url = new URL(specifier.replace(/\.js$/, '.ts'), context.parentURL);
    if (existsSync(url)) return { url: url.href, format: 'module', shortCircuit: true };
  }
  return next(specifier, context);
}

export async function load(url, context, next) {
  if (!url.startsWith('file:') || !url.endsWith('.ts')) return next(url, context);
  const path = fileURLToPath(url);
  let source = readFileSync(path, 'utf8');
  for (const { file, from, to } of patches) {
    if (!path.endsWith(file)) continue;
    if (source.split(from).length !== 2) throw new Error(`the fault does not fit ${file}: ${JSON.stringify(from)}`);
    source = source.replace(from, () => to);
  }
  const { code } = transformSync(source, { filename: path, sourceMaps: 'inline', configFile: false, swcrc: true });
  return { format: 'module', source: code, shortCircuit: true };
}
