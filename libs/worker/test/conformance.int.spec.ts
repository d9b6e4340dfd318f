import { describe, expect, it } from '@jest/globals';
import { CHECKS, runConformance } from '@batuta/conformance';
import type { Conformance } from '@batuta/conformance';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const node = JSON.stringify(process.execPath);
const OPTIONAL = CHECKS.filter(({ optional = false }) => optional).map(({ name }) => name);

const absentIn = ({ results }: Conformance): string[] =>
  results.filter(({ outcome }) => outcome === 'absent').map(({ name }) => name);

/** Shows the failed checks, and the worker's output, when a check has failed. */
const failuresOf = ({ results, output }: Conformance): unknown =>
  results.some(({ outcome }) => outcome === 'failed')
    ? { failed: results.filter(({ outcome }) => outcome === 'failed'), output }
    : 'none';

/** nats-py is not a dependency of this repository. */
const python = process.env['BATUTA_TEST_PYTHON'] ?? 'python3';
const hasPython = spawnSync(python, ['-c', 'import nats, nkeys']).status === 0;

describe('the conformance suite', () => {
  it('is passed completely by a worker with the library', async () => {
    const loader = `${root}libs/testing/run-source.mjs`;
    const command = `${node} --conditions=batuta-source --import ${loader} ${root}libs/worker/test/conformance-worker.ts`;
    const run = await runConformance({ command });
    expect(failuresOf(run)).toBe('none');
    expect(absentIn(run)).toEqual([]);
    expect(run.passed).toBe(true);
  }, 600_000);

  it('is passed by the example without the library, which does only what every worker must do', async () => {
    const run = await runConformance({ command: `${node} ${root}examples/worker-without-sdk/worker.mjs conformance` });
    expect(failuresOf(run)).toBe('none');
    expect(absentIn(run)).toEqual(OPTIONAL);
    expect(run.passed).toBe(true);
  }, 600_000);

  (hasPython ? it : it.skip)(
    `is passed by a worker in Python (skipped where ${python} has no nats-py: pip install nats-py nkeys)`,
    async () => {
      const run = await runConformance({ command: `${python} ${root}libs/worker/test/worker.py` });
      expect(failuresOf(run)).toBe('none');
      expect(run.passed).toBe(true);
    },
    600_000,
  );

  it('fails for a program that is not a worker, and says why', async () => {
    const run = await runConformance({ command: `${node} -e "console.log('no worker'); process.exit(3)"` });
    expect(run.passed).toBe(false);
    expect(run.results[0]).toMatchObject({ outcome: 'failed', reason: expect.stringContaining('ended with 3') });
    expect(run.output).toContain('no worker');
  });
});
