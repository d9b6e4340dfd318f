import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { build } from 'esbuild';

describe('the client in a browser', () => {
  it('is one file without imports, neither of Node.js nor of packages', async () => {
    const { metafile, outputFiles } = await build({
      entryPoints: [join(import.meta.dirname, 'index.ts')],
      bundle: true,
      platform: 'browser',
      format: 'esm',
      minify: true,
      write: false,
      metafile: true,
      logLevel: 'silent',
    });
    const inputs = Object.keys(metafile.inputs);
    expect(inputs.length).toBeGreaterThan(5);
    expect(inputs.filter((path) => !path.includes('libs/client/src/'))).toEqual([]);
    expect(Object.values(metafile.outputs).flatMap(({ imports }) => imports)).toEqual([]);
    const text = outputFiles[0]?.text ?? '';
    expect(text).not.toMatch(/\b(?:process|Buffer|require|__dirname)\b/);
    // A small bundle: it contains all operations of the document and no schema.
    expect(text.length).toBeLessThan(40_000);
  });
});
