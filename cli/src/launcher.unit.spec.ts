import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** A checkout that has the command and nothing else. */
let checkout: string;
beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), 'batuta-launcher-'));
  for (const path of ['bin', 'command-line.js', 'package.json']) {
    cpSync(join(ROOT, 'cli', path), join(checkout, 'cli', path), { recursive: true });
  }
});
afterEach(() => rmSync(checkout, { recursive: true, force: true }));

const needsNode = (version: string): void =>
  writeFileSync(
    join(checkout, 'package.json'),
    JSON.stringify({ engines: { node: `>=${version}` }, scripts: { 'build:local': 'echo "what is wrong"; exit 2' } }),
  );
const install = (): void => {
  mkdirSync(join(checkout, 'node_modules'));
  writeFileSync(join(checkout, 'node_modules/.package-lock.json'), '{}');
  symlinkSync(join(ROOT, 'node_modules/commander'), join(checkout, 'node_modules/commander'));
};
const batuta = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, [join(checkout, 'cli/bin/batuta.mjs'), ...args], { encoding: 'utf8' });

describe('the batuta command of a checkout', () => {
  it('says which Node.js it needs when this one is too old', () => {
    needsNode('999.1.0');
    const { status, stderr } = batuta('start');
    expect(status).toBe(1);
    expect(stderr).toMatch(
      new RegExp(`^Batuta needs Node\\.js 999\\.1\\.0 or newer; .* is ${process.versions.node}\\. .*\\n$`),
    );
  });

  it('says that the packages are not installed', () => {
    needsNode('20.19.0');
    const { status, stderr } = batuta('start');
    expect(status).toBe(1);
    expect(stderr).toBe(`The packages that Batuta needs are not installed in ${checkout}. Run: npm ci\n`);
  });

  it('answers help, version and wrong words without a program', () => {
    needsNode('20.19.0');
    install();
    expect(batuta('--help')).toMatchObject({ status: 0, stdout: expect.stringMatching(/^Usage: batuta .*\bdemo\b/s) });
    expect(batuta('--version')).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
    expect(batuta('strat')).toMatchObject({ status: 1, stderr: expect.stringContaining('Did you mean start?') });
    expect(batuta('start', '--port', '70000')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('A port is a whole number from 0 to 65535.'),
    });
    expect(existsSync(join(checkout, 'cli/dist'))).toBe(false);
  });

  it('shows what a build that failed says, and ends', () => {
    needsNode('20.19.0');
    install();
    const { status, stdout, stderr } = batuta('start');
    expect(status).toBe(1);
    expect(stdout).toMatch(/^Building \(first time, about \d+ s\) …\nwhat is wrong\n$/);
    expect(stderr).toBe('Batuta could not be built; the lines above say why.\n');
  });
});
