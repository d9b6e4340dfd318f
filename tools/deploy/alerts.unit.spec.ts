import { spawnSync } from 'node:child_process';
import { expect, it } from '@jest/globals';
import { wholePath } from '../needed-programs.mjs';
import { root } from './places.js';

const env = { ...process.env, PATH: wholePath(process.env['PATH']) };
const promtool = (...args: string[]) =>
  spawnSync('promtool', args, { cwd: `${root}/deploy/prometheus`, env, encoding: 'utf8' });
// Without Prometheus, the tests are counted as skipped.
const test = promtool('--version').status === 0 ? it : it.skip;

test('Prometheus accepts the alert rules', () => {
  const { status, stderr, stdout } = promtool('check', 'rules', 'rules.yml');
  expect([status, stdout + stderr]).toEqual([0, expect.stringMatching(/SUCCESS: \d+ rules found/)]);
});

test('the alerts fire for series with a problem, and not for healthy ones', () => {
  const { status, stderr, stdout } = promtool('test', 'rules', 'rules.test.yml');
  expect([status, stdout + stderr]).toEqual([0, expect.stringContaining('SUCCESS')]);
});
