import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { ALL_OPERATIONS, CALLBACK_TYPES, NATS_SERVICES, operations } from '@batuta/contracts';
import { read, root } from './deploy/places.js';
import { withSubjectRows } from './openapi/subject-rows.mjs';

/** The files that a recipe of CONTRIBUTING.md names. */
function filesOf(heading: string): string[] {
  const [, text = ''] = read('CONTRIBUTING.md').split(`\n## ${heading}\n`);
  const [chapter = ''] = text.split('\n## ');
  return [...chapter.matchAll(/`((?:proto|libs|services|tools|docs|deploy)\/[^`]+|[\w.-]+\.(?:json|yml))`/g)].map(
    ([, file = '']) => file,
  );
}

const missing = (files: readonly string[]): string[] => files.filter((file) => !existsSync(join(root, file)));
const words = (file: string): Set<string> => new Set(read(file).match(/[\w-]+/g));

describe('the recipe for a route', () => {
  const documented = JSON.parse(read('docs/openapi.json')) as {
    paths: Record<string, Record<string, { operationId: string }>>;
  };
  const routes = new Set(
    Object.entries(documented.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, { operationId }]) => `${operationId}: ${method.toUpperCase()} ${path}`),
    ),
  );

  test('names existing files', () => {
    const features = Object.keys(operations).length;
    const files = filesOf('Add a route').filter((file) => !file.includes('<feature>'));
    expect(files.length).toBeGreaterThan(4);
    expect(missing(files)).toEqual([]);
    const own = new Set(['define.ts', 'table.ts', 'parameters.ts', 'offset.ts', 'duration.ts']);
    const defining = readdirSync(join(root, 'libs/contracts/src/operations')).filter(
      (name) => name.endsWith('.ts') && !own.has(name),
    );
    expect(defining.length).toBeLessThanOrEqual(features);
    const table = read('libs/contracts/src/operations/table.ts');
    expect(defining.filter((name) => !table.includes(`'./${name.replace(/ts$/, 'js')}'`))).toEqual([]);
  });

  test('was followed: each operation has a unique name of its namespace and method', () => {
    const names = ALL_OPERATIONS.map(({ name }) => name);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
    for (const feature of Object.values(operations)) {
      for (const [key, { name }] of Object.entries(feature)) expect(name.split('.')[1]).toBe(key);
    }
  });

  test('was followed: the gateway serves exactly the defined routes, and the document has them', () => {
    const defined = ALL_OPERATIONS.flatMap(({ name, http }) =>
      http === undefined ? [] : [`${name}: ${http.method} ${http.path.replaceAll(/:(\w+)/g, '{$1}')}`],
    );
    expect(defined.length).toBeGreaterThan(80);
    expect(defined.filter((route) => !routes.has(route))).toEqual([]);
    // A route without a key uses no service, and an export requests the pages of a list one after the other.
    const pages = ['audit.export: GET /api/v1/audit/export'];
    expect([...routes].filter((route) => route.includes(' /api/') && !defined.includes(route))).toEqual(pages);
  });

  test('was followed: the documentation names the publishers of each subject, and who answers', () => {
    const guide = read('docs/operations.md');
    expect(withSubjectRows(guide, ALL_OPERATIONS, NATS_SERVICES)).toBe(guide);
    const [{ subject }] = ALL_OPERATIONS as readonly [(typeof ALL_OPERATIONS)[number]];
    expect(guide).toContain(`| \`${subject}\` |`);
  });
});

describe('the recipe for a channel', () => {
  test('names existing files for each channel', () => {
    const files = filesOf('Add a channel');
    expect(files.filter((file) => !file.startsWith('docs/'))).toHaveLength(3);
    const each = files.flatMap((file) => CALLBACK_TYPES.map((type) => file.replace('<channel>', type)));
    expect(missing([...new Set(each)])).toEqual([]);
  });

  test.each(CALLBACK_TYPES)('was followed: %s has fields, is registered and is documented', (type) => {
    for (const file of [...filesOf('Add a channel'), 'docs/notifications.md', 'docs/openapi.json']) {
      const path = file.replace('<channel>', type);
      expect([path, read(path).includes(type)]).toEqual([path, true]);
    }
  });
});

describe('the recipe for a service', () => {
  const files = filesOf('Add a service');
  const outside = files.filter((file) => !file.startsWith('services/<service>/') && !file.includes('/postgres-'));

  test('names existing files for each service, of which few are outside of its folder', () => {
    expect(files.length - outside.length).toBeGreaterThanOrEqual(5);
    expect(outside.length).toBeGreaterThanOrEqual(4);
    expect(outside.length).toBeLessThanOrEqual(5);
    const each = files.flatMap((file) => NATS_SERVICES.map((service) => file.replaceAll('<service>', service)));
    expect(missing([...new Set(each)])).toEqual([]);
  });

  test.each(NATS_SERVICES)('was followed: %s is named in each of them', (service) => {
    const shared = outside.filter((file) => !file.includes('<service>'));
    expect(shared.filter((file) => !words(file).has(service))).toEqual([]);
  });
});
