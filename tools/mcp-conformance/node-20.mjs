// The conformance suite imports `globSync` from `node:fs`, which Node has from 22 on, for a command that tests do not use. Import this file
// with `--import` to run the suite on Node 20.
import * as fs from 'node:fs';
import { register } from 'node:module';

if (!('globSync' in fs)) {
  const source = `
    export * from 'node:fs';
    export { default } from 'node:fs';
    export const globSync = () => { throw new Error('globSync needs Node 22'); };`;
  const hooks = `
    const FS = 'data:text/javascript,' + encodeURIComponent(${JSON.stringify(source)});
    export const resolve = (specifier, context, next) =>
      specifier === 'fs' && context.parentURL?.includes('/conformance/dist/')
        ? { url: FS, shortCircuit: true }
        : next(specifier, context);`;
  register(`data:text/javascript,${encodeURIComponent(hooks)}`);
}
