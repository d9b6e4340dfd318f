import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from '@jest/globals';

const ROOT = fileURLToPath(new URL('../', import.meta.url));

interface Bom {
  readonly bomFormat: string;
  readonly components: readonly { readonly name: string; readonly version: string; readonly purl: string }[];
}

it('lists what an installation consists of, without what only its developers need', () => {
  const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', 'sbom'], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  expect([status, stderr]).toEqual([0, '']);
  const { bomFormat, components } = JSON.parse(stdout) as Bom;
  expect(bomFormat).toBe('CycloneDX');
  const { packages } = JSON.parse(readFileSync(`${ROOT}package-lock.json`, 'utf8')) as {
    packages: Record<string, { readonly version?: string; readonly dev?: boolean }>;
  };
  for (const name of ['fastify', 'pg', '@nats-io/nats-core', 'ajv']) {
    const { version = '' } = packages[`node_modules/${name}`] ?? {};
    expect(components.map((each) => `${each.name} ${each.version}`)).toContain(`${name} ${version}`);
  }
  for (const name of ['jest', 'prettier', 'oxlint']) {
    expect(components.some((each) => each.name === name)).toBe(false);
  }
});
