import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { root } from './deploy/places.js';

interface Lock {
  readonly packages: Readonly<Record<string, { readonly engines?: { readonly node?: string } }>>;
}

const numbers = (version: string): number[] => {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map((part) => (/^\d+$/.test(part) ? Number(part) : 0));
  return [major, minor, patch];
};
const isAtLeast = (version: string, oldest: string): boolean => {
  const [one, other] = [numbers(version), numbers(oldest)];
  const index = one.findIndex((number, at) => number !== other[at]);
  return index === -1 || (one[index] ?? 0) > (other[index] ?? 0);
};

/** Whether a range of versions, in the syntax of package.json, contains a version. */
function takes(range: string, version: string): boolean {
  return range.split('||').some((alternative) =>
    [...alternative.matchAll(/(>=|<=|>|<|\^|~|=)?\s*v?(\d[\w.*-]*|\*)/g)].every(([, sign, wanted = '']) => {
      if (wanted === '*') return true;
      switch (sign) {
        case '>=':
          return isAtLeast(version, wanted);
        case '>':
          return !isAtLeast(wanted, version);
        case '<':
          return !isAtLeast(version, wanted);
        case '<=':
          return isAtLeast(wanted, version);
        case '^':
          return isAtLeast(version, wanted) && numbers(version)[0] === numbers(wanted)[0];
        default:
          return version.startsWith(`${wanted.replace(/(\.[x*])+$/, '')}.`) || version === wanted;
      }
    }),
  );
}

describe('the packages that are installed', () => {
  it.each([
    ['>=20', true],
    ['>= 22.x', false],
    ['^18.18.0 || >=20.0.0', true],
    ['^18.0.0 || ^22', false],
    ['20.x || 22', true],
    ['>=10 <20', false],
    ['*', true],
  ])('a range %s has 20.19.0: %s', (range, expected) => {
    expect(takes(range, '20.19.0')).toBe(expected);
  });

  it('run on the oldest supported Node.js', () => {
    const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { engines: { node: string } };
    const oldest = engines.node.replace('>=', '');
    const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lock;
    const asking = Object.entries(packages).filter(([, { engines: { node } = {} }]) => node !== undefined);
    expect(asking.length).toBeGreaterThan(100);
    const refusing = asking.filter(([, { engines: { node } = {} }]) => !takes(node ?? '*', oldest));
    expect(refusing.map(([path, { engines: { node } = {} }]) => `${path} needs ${node}`)).toEqual([]);
  });
});
