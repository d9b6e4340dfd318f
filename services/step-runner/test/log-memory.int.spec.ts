import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runFile } from '@batuta/testing';

/** MiB. `BATUTA_TEST_LOG_MIB=1024` runs the test with a gigabyte. */
const SIZE = Number(process.env['BATUTA_TEST_LOG_MIB'] ?? '64');
const MEBIBYTE = 1024 * 1024;

describe('log_analyzer on a large file', () => {
  let folder: string;
  let written = 0;
  let lines = 0;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'batuta-large-log-'));
    const file = createWriteStream(join(folder, 'large.log'));
    const words = ['alpha', 'beta', 'gamma', 'delta', 'epsilon'];
    while (written < SIZE * MEBIBYTE) {
      let block = '';
      for (let n = 0; n < 5_000; n++, lines++) {
        const time = new Date(1_795_000_000_000 + lines * 37).toISOString();
        const level = lines % 50 === 0 ? 'ERROR' : 'INFO';
        // Always new words, so that clusters must be dropped.
        const word = `${words[lines % 5]}${(lines * 2_654_435_761).toString(36).replace(/\d/g, 'x')}`;
        block += `${time} ${level} [${lines % 90}] ${word} request ${lines} took ${lines % 977} ms for ${word}\n`;
      }
      written += Buffer.byteLength(block);
      if (!file.write(block)) await once(file, 'drain');
    }
    file.end();
    await once(file, 'close');
  }, 300_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('needs memory that does not grow with the file', async () => {
    const child = runFile('services/step-runner/test/analyze-file.ts', {
      nodeArgs: ['--max-old-space-size=32', '--max-semi-space-size=4', '--expose-gc'],
      args: [folder, 'large.log'],
    });
    const [code] = (await once(child.process, 'exit')) as [number | null];
    expect([code, child.output()]).toEqual([0, expect.stringContaining('{')]);
    const { result, peakMiB } = JSON.parse(child.output().trim().split('\n').at(-1) ?? '') as {
      result: { lines: number; bytes: number; levels: { error: number }; patterns: unknown[] };
      peakMiB: number;
    };
    expect(result).toMatchObject({ lines, bytes: written, levels: { error: Math.ceil(lines / 50) } });
    expect(result.patterns.length).toBeGreaterThan(0);
    expect(peakMiB).toBeLessThan(250);
  }, 600_000);
});
